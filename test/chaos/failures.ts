import type { RecordedCall } from '../../src/emulator/recorder.ts'
import type { Failure, ScheduledFailure } from './plan.ts'
import { SMH_TIMEOUT_MS, type World } from './world.ts'

/** A gateway fetches unknown keys at most once in 30 seconds; an issuer rotates its keys less often. */
const LEAST_BETWEEN_ISSUER_KEYS_MS = 31_000

/** Long enough for SIGKILL to take effect before SMH continues with the call. */
const DEATH_MS = 40

/** Triggers each failure of the plan once clients have received its number of responses. */
export function startFailures(world: World) {
  const { emulator, issuer, redis, smhBegins, gateways, plan, journal } = world
  const { controls } = emulator
  const waiting = [...plan.scheduled]
  const triggered = new Map<Failure['kind'], number>()
  const underWay: Promise<void>[] = []
  let issuerKeyAt = -Infinity
  let issuerUpAt = Infinity
  let smhUpAt = Infinity
  let redisUpAt = Infinity
  let ended = false

  const count = (kind: Failure['kind'], times = 1) =>
    triggered.set(kind, (triggered.get(kind) ?? 0) + times)

  function kill(which: readonly (0 | 1)[]): void {
    for (const index of which) gateways[index].kill()
    count('kill', which.length)
  }

  /** Resolves to how often it happened. A failure that waits for a call is counted when that call arrives. */
  async function cause(failure: Failure, answers: number): Promise<number> {
    switch (failure.kind) {
      case 'fault': {
        const match = (call: RecordedCall) => {
          const { status, drop, delayMs = 0, bodyDelayMs = 0 } = failure.fault
          if (status !== undefined || drop === 'before') smhBegins.lose(call, 'none')
          else if (drop || Math.max(delayMs, bodyDelayMs) >= SMH_TIMEOUT_MS) {
            smhBegins.lose(call, 'possible')
          }
          return count('fault').has('fault')
        }
        controls.force(failure.route, { ...failure.fault, match })
        return 0
      }
      case 'lost confirm':
        controls.loseConfirmResponse(failure.times)
        return failure.times
      case 'kill': {
        const { gateways: which, during } = failure
        const match = () => {
          kill(which)
          return true
        }
        if (during === undefined) kill(which)
        else controls.force(during, { match, delayMs: DEATH_MS })
        return 0
      }
      case 'stop':
        await gateways[failure.gateway].stop()
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
        const task = tasks[failure.pick % tasks.length]
        const part = task?.parts[failure.pick % task.parts.length]
        if (!task || !part) return 0
        // The upload may have been completed or cancelled meanwhile: then its bytes are gone.
        return controls.corruptPart(task.confirmKey, part.number).then(
          () => 1,
          () => 0,
        )
      }
      case 'issuer down':
        issuer.down(true)
        issuerUpAt = answers + failure.answers
        return 1
      case 'SMH down':
        smhUpAt = answers + failure.answers
        await controls.refuseConnections(true)
        return 1
      case 'Redis killed':
      case 'Redis stopped':
        if (redis?.state !== 'up') return 0
        redisUpAt = answers + failure.answers
        if (failure.kind === 'Redis killed') await redis.kill()
        else redis.stop()
        return 1
    }
  }

  async function trigger(failure: ScheduledFailure, answers: number): Promise<void> {
    try {
      count(failure.kind, await cause(failure, answers))
    } catch (error) {
      journal.incidents.push(`the failure "${failure.kind}" could not be caused: ${error}`)
    }
  }

  async function restoreRedis(): Promise<void> {
    try {
      await redis?.restore()
    } catch (error) {
      journal.incidents.push(`Redis could not start again: ${error}`)
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
    if (answers >= redisUpAt) {
      redisUpAt = Infinity
      underWay.push(restoreRedis())
    }
    while (waiting[0] && waiting[0].after <= answers) {
      underWay.push(trigger(waiting.shift()!, answers))
    }
  })

  return {
    triggered,
    /** Ends all failures. Resolves when both gateways listen. */
    async end(): Promise<void> {
      ended = true
      controls.clearFaults()
      smhBegins.watch()
      issuer.down(false)
      await Promise.all(underWay)
      await restoreRedis()
      await controls.refuseConnections(false)
      await Promise.all(gateways.map((gateway) => gateway.up()))
    },
  }
}
