import { randomUUID } from 'node:crypto'
import { wait } from '../../src/client/wait.ts'
import type { Attempt } from './journal.ts'
import type { PlannedUpload } from './plan.ts'
import { sendRecorded } from './traffic.ts'
import type { World } from './world.ts'

/** How long a begin takes at least; an answer that is cut off before is lost. */
const CUT_MS = [2, 5, 10, 20, 40]

/** How often a begin is repeated that gets no definite response. */
const MOST_TIMES = 40

const BETWEEN_MS = 250

/** Gateways restart in a second or two. A request that hangs ends after this time, milliseconds. */
const TIMEOUT_MS = 15_000

/** A program of the user's own that sends begins with one Idempotency-Key. */
export interface BeginByHand {
  /**
   * Begins several times at once through both gateways, cuts one response off, and repeats until there is a definite
   * response. Resolves to the current confirm key, or undefined after a refusal.
   */
  begin(): Promise<string | undefined>
  /** Repeats the begin once through each gateway. */
  repeat(): Promise<void>
}

export function beginByHand(
  world: World,
  planned: PlannedUpload,
  attempt: Attempt,
  simple: boolean,
): BeginByHand {
  const { path, size, strategy, number } = planned
  const key = randomUUID()
  const body = JSON.stringify({
    path,
    size,
    conflictResolutionStrategy: strategy,
    ...(simple && { method: 'simple' }),
  })

  async function send(gateway: 0 | 1, signal = AbortSignal.timeout(TIMEOUT_MS)) {
    const { traffic } = world.journal
    try {
      const response = await sendRecorded(
        traffic,
        planned.user,
        attempt,
        `${world.gateways[gateway].url}/v1/uploads`,
        {
          method: 'POST',
          headers: {
            Authorization: `Bearer ${await world.tokenOf(planned.user)}`,
            'Content-Type': 'application/json',
            // Both forms are the same key.
            'Idempotency-Key': gateway === 0 ? key : `"${key}"`,
          },
          body,
          signal,
        },
      )
      world.answered()
      if (response.status >= 500) attempt.lostBegins += 1
      const { confirmKey, code } = (await response.json()) as { confirmKey?: string; code?: string }
      return { status: response.status, confirmKey, code }
    } catch {
      attempt.lostBegins += 1
      return undefined
    }
  }

  const { signal } = new AbortController()
  return {
    async begin() {
      await Promise.all([send(0), send(1), send(0)])
      const { gateway } = planned
      await send(gateway, AbortSignal.timeout(CUT_MS[number % CUT_MS.length]!))
      for (let times = 0; times < MOST_TIMES; times += 1) {
        const answer = await send(times % 2 === 0 ? gateway : gateway === 0 ? 1 : 0)
        if (answer?.confirmKey) return answer.confirmKey
        const isOpen =
          !answer ||
          answer.status >= 500 ||
          answer.code === 'request_in_progress' ||
          answer.code === 'invalid_token'
        if (!isOpen) {
          attempt.errorCodes.push(answer.code ?? String(answer.status))
          return undefined
        }
        await wait(BETWEEN_MS, signal)
      }
      attempt.errorCodes.push('network')
      return undefined
    },
    async repeat() {
      for (const gateway of [0, 1] as const) await send(gateway)
    },
  }
}
