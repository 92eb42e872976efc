import { randomBytes } from 'node:crypto'
import { type DemoIssuer, startDemoIssuer } from '../../src/demo/demo-users.ts'
import { environmentOf } from '../../src/demo/environment.ts'
import { type Emulator, startEmulator } from '../../src/emulator/start.ts'
import { type GatewayProcess, startGatewayProcess } from './gateway-process.ts'
import { type Ledger, openLedger } from './ledger.ts'
import type { Plan } from './plan.ts'

/** The real parts: SMH's and COS's stand-in and the issuer here, two gateways as processes. */
export interface World {
  plan: Plan
  ledger: Ledger
  emulator: Emulator
  issuer: DemoIssuer
  gateways: readonly [GatewayProcess, GatewayProcess]
  /** The user's current token; the same one until the issuer's key changes. */
  tokenOf(user: string): Promise<string>
  newIssuerKey(): Promise<void>
  /** In the two steps that no upload notices: both take the new one along, then both sign with it. */
  newConfirmKeySecret(): Promise<void>
  /** To be called at each answer that a client gets. */
  answered(): void
  onAnswer(listener: (count: number) => void): void
  /** Milliseconds since the last answer. */
  idleMs(): number
  /** Everything that the gateways may not write. */
  secrets(): string[]
  close(): Promise<void>
  /** Ends what would outlive this process. */
  destroy(): void
}

export async function startWorld(plan: Plan): Promise<World> {
  const [emulator, issuer] = await Promise.all([startEmulator(), startDemoIssuer()])
  const ledger = openLedger()
  const confirmKeySecrets = [newSecret()]
  const everySecret = [...confirmKeySecrets]
  const environment = () => ({
    ...environmentOf({ emulator, issuer }),
    SMH_TOKEN_MODE: plan.tokenMode,
    CONFIRM_KEY_SECRETS: confirmKeySecrets.join(','),
    UPLOAD_CONFLICT_STRATEGIES: 'rename,ask,overwrite',
    UPSTREAM_TIMEOUT_SECONDS: '1',
    RATE_LIMIT_PER_MINUTE: '0',
    LOG_LEVEL: 'debug',
  })
  const onFault = (fault: string) => ledger.faults.push(fault)
  const gateways = await Promise.all([
    startGatewayProcess(environment, onFault),
    startGatewayProcess(environment, onFault),
  ])
  await Promise.all(gateways.map((gateway) => gateway.up()))

  const issued = new Set<string>()
  let current = new Map<string, Promise<string>>()
  async function issue(user: string): Promise<string> {
    const token = await issuer.token({ sub: user })
    issued.add(token)
    return token
  }

  async function restartAll(): Promise<void> {
    for (const gateway of gateways) {
      await gateway.stop()
      await gateway.up()
    }
  }

  let changing = Promise.resolve()
  async function changeConfirmKeySecret(): Promise<void> {
    const secret = newSecret()
    everySecret.push(secret)
    confirmKeySecrets.push(secret)
    await restartAll()
    confirmKeySecrets.unshift(...confirmKeySecrets.splice(-1))
    await restartAll()
  }

  let answers = 0
  let lastAnswerAt = performance.now()
  const listeners: ((count: number) => void)[] = []

  return {
    plan,
    ledger,
    emulator,
    issuer,
    gateways,
    tokenOf(user) {
      const token = current.get(user) ?? issue(user)
      current.set(user, token)
      return token
    },
    async newIssuerKey() {
      await issuer.rotateKeys()
      current = new Map()
    },
    newConfirmKeySecret() {
      changing = changing.then(changeConfirmKeySecret)
      return changing
    },
    answered() {
      answers += 1
      lastAnswerAt = performance.now()
      for (const listener of listeners) listener(answers)
    },
    onAnswer: (listener) => void listeners.push(listener),
    idleMs: () => performance.now() - lastAnswerAt,
    secrets() {
      const found = new Set(['.bin', emulator.librarySecret, ...everySecret, ...issued])
      emulator.controls.eachCall(({ query, path }) => {
        if (query.access_token) found.add(query.access_token)
        for (const key of path.match(/[0-9a-f]{64}$/) ?? []) found.add(key)
      })
      for (const { confirmKey } of ledger.attempts) if (confirmKey) found.add(confirmKey)
      return [...found]
    },
    async close() {
      await Promise.all(gateways.map((gateway) => gateway.destroy()))
      await Promise.all([emulator.close(), issuer.close()])
    },
    destroy() {
      for (const gateway of gateways) void gateway.destroy()
    },
  }
}

function newSecret(): string {
  return randomBytes(32).toString('hex')
}
