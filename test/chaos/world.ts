import { randomBytes } from 'node:crypto'
import { type DemoIssuer, startDemoIssuer } from '../../src/demo/demo-users.ts'
import { environmentOf } from '../../src/demo/environment.ts'
import { type Emulator, startEmulator } from '../../src/emulator/start.ts'
import { type GatewayProcess, startGatewayProcess } from './gateway-process.ts'
import { createJournal, type Journal } from './journal.ts'
import type { Plan } from './plan.ts'
import { type RedisProcess, startRedisProcess } from './redis-process.ts'
import { type SmhBegins, watchSmhBegins } from './smh-begins.ts'

/** The gateways' timeout of every call to SMH except confirm. A request lasts at most three times as long. */
export const SMH_TIMEOUT_MS = 1_000

/** Emulator and issuer in this process; Redis and two gateways as processes. */
export interface World {
  plan: Plan
  journal: Journal
  emulator: Emulator
  issuer: DemoIssuer
  /** Undefined where Redis is not installed. Then each gateway has a ledger of its own. */
  redis: RedisProcess | undefined
  smhBegins: SmhBegins
  gateways: readonly [GatewayProcess, GatewayProcess]
  /** The user's current token; unchanged until the issuer's key changes. */
  tokenOf(user: string): Promise<string>
  newIssuerKey(): Promise<void>
  /** Rotates without an interruption: first both gateways accept the new secret, then both sign with it. */
  newConfirmKeySecret(): Promise<void>
  /** Must be called for each response that a client receives. */
  answered(): void
  onAnswer(listener: (count: number) => void): void
  /** Milliseconds since the last response. */
  idleMs(): number
  /** Every value that must not appear in the gateways' output. */
  secrets(): string[]
  /** Every value that must not appear in Redis. */
  redisSecrets(): string[]
  close(): Promise<void>
  /** Ends the child processes. */
  destroy(): void
}

export async function startWorld(plan: Plan): Promise<World> {
  const [emulator, issuer, redis] = await Promise.all([
    startEmulator(),
    startDemoIssuer(),
    startRedisProcess(),
  ])
  const smhBegins = watchSmhBegins(emulator.controls)
  const journal = createJournal()
  const confirmKeySecrets = [newSecret()]
  const everySecret = [...confirmKeySecrets]
  const environment = () => ({
    ...environmentOf({ emulator, issuer }),
    SMH_TOKEN_MODE: plan.tokenMode,
    CONFIRM_KEY_SECRETS: confirmKeySecrets.join(','),
    UPLOAD_CONFLICT_STRATEGIES: 'rename,ask,overwrite',
    UPSTREAM_TIMEOUT_SECONDS: String(SMH_TIMEOUT_MS / 1000),
    RATE_LIMIT_PER_MINUTE: '0',
    LOG_LEVEL: 'debug',
    ...(redis && { REDIS_URL: redis.url }),
  })
  const onIncident = (incident: string) => journal.incidents.push(incident)
  const gateways = await Promise.all([
    startGatewayProcess(environment, onIncident),
    startGatewayProcess(environment, onIncident),
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
    journal,
    emulator,
    issuer,
    redis,
    smhBegins,
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
      for (const confirmKey of journal.traffic.lives.keys()) found.add(confirmKey)
      return [...found]
    },
    redisSecrets() {
      const found = new Set([emulator.librarySecret, ...everySecret, ...issued])
      emulator.controls.eachCall(({ query, headers }) => {
        if (query.access_token) found.add(query.access_token)
        const token = headers['x-cos-security-token']
        if (token) found.add(token)
      })
      return [...found]
    },
    async close() {
      await Promise.all(gateways.map((gateway) => gateway.destroy()))
      await Promise.all([emulator.close(), issuer.close(), redis?.destroy()])
    },
    destroy() {
      for (const gateway of gateways) void gateway.destroy()
      void redis?.destroy()
    },
  }
}

function newSecret(): string {
  return randomBytes(32).toString('hex')
}
