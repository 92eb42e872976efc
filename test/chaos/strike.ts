import type { Blow, Strike } from './plan.ts'
import type { World } from './world.ts'

/** A gateway asks for keys it does not know once in so long; a sane issuer changes them less often. */
const LEAST_BETWEEN_ISSUER_KEYS_MS = 31_000

/** Long enough for SIGKILL to have struck before SMH goes on with the call. */
const DEATH_MS = 40

/** Has every strike of the plan hit when its time has come. */
export function startStriking(world: World) {
  const { emulator, issuer, gateways, plan, ledger } = world
  const { controls } = emulator
  const waiting = [...plan.strikes]
  const struck = new Map<Blow['kind'], number>()
  const underWay: Promise<void>[] = []
  let issuerKeyAt = -Infinity
  let issuerUpAt = Infinity
  let smhUpAt = Infinity
  let ended = false

  const count = (kind: Blow['kind'], times = 1) => struck.set(kind, (struck.get(kind) ?? 0) + times)

  function kill(which: readonly (0 | 1)[]): void {
    for (const index of which) gateways[index].kill()
    count('kill', which.length)
  }

  /** Resolves to how often it has hit by then; what waits for its call is counted when it hits. */
  async function hit(blow: Blow, answers: number): Promise<number> {
    switch (blow.kind) {
      case 'fault': {
        const match = () => count('fault').has('fault')
        controls.force(blow.route, { ...blow.fault, match })
        return 0
      }
      case 'lost confirm':
        controls.loseConfirmResponse(blow.times)
        return blow.times
      case 'kill': {
        const { gateways: which, during } = blow
        const match = () => {
          kill(which)
          return true
        }
        if (during === undefined) kill(which)
        else controls.force(during, { match, delayMs: DEATH_MS })
        return 0
      }
      case 'stop':
        await gateways[blow.gateway].stop()
        return 1
      case 'revoked tokens':
        controls.expireToken()
        return 1
      case 'new issuer key':
        if (performance.now() < issuerKeyAt + LEAST_BETWEEN_ISSUER_KEYS_MS) return 0
        issuerKeyAt = performance.now()
        await world.newIssuerKey()
        return 1
      case 'new confirm-key secret':
        await world.newConfirmKeySecret()
        return 1
      case 'ended credentials':
        controls.expireCredentials()
        return 1
      case 'corrupt part': {
        const tasks = controls.openTasks().filter(({ parts }) => parts.length > 0)
        const task = tasks[blow.pick % tasks.length]
        const part = task?.parts[blow.pick % task.parts.length]
        if (!task || !part) return 0
        // It may have been completed or cancelled meanwhile: then its bytes are gone.
        return controls.corruptPart(task.confirmKey, part.number).then(
          () => 1,
          () => 0,
        )
      }
      case 'issuer down':
        issuer.down(true)
        issuerUpAt = answers + blow.answers
        return 1
      case 'SMH down':
        smhUpAt = answers + blow.answers
        await controls.refuseConnections(true)
        return 1
    }
  }

  async function strike(blow: Strike, answers: number): Promise<void> {
    try {
      count(blow.kind, await hit(blow, answers))
    } catch (error) {
      ledger.faults.push(`a strike (${blow.kind}) failed: ${error}`)
    }
  }

  world.onAnswer((answers) => {
    if (ended) return
    if (answers >= issuerUpAt) {
      issuerUpAt = Infinity
      issuer.down(false)
    }
    if (answers >= smhUpAt) {
      smhUpAt = Infinity
      underWay.push(controls.refuseConnections(false))
    }
    while (waiting[0] && waiting[0].after <= answers) {
      underWay.push(strike(waiting.shift()!, answers))
    }
  })

  return {
    struck,
    /** Peace: nothing more will go wrong, and both gateways are there. */
    async end(): Promise<void> {
      ended = true
      controls.clearFaults()
      issuer.down(false)
      await Promise.all(underWay)
      await controls.refuseConnections(false)
      await Promise.all(gateways.map((gateway) => gateway.up()))
    },
  }
}
