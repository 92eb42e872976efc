import { createGateway, type Gateway } from '../../src/client/api.ts'
import { createBeginPacer } from '../../src/client/begin-pacer.ts'
import { createStopwatch } from '../../src/client/clock.ts'
import { hasCode, type UploadError } from '../../src/client/errors.ts'
import { createRetrying, type Retrying } from '../../src/client/retry.ts'
import { wait } from '../../src/client/wait.ts'
import { sendRecorded } from './traffic.ts'
import type { World } from './world.ts'

/** A gateway restarts in a second or two, on a busy machine in ten or more. These attempts wait longer. */
const ATTEMPTS = 300

const patient = createRetrying(
  { attempts: ATTEMPTS, firstDelayMs: 50, longestDelayMs: 1_000 },
  wait,
)

/** One gateway's calls for one user, repeated until there is a definite response. */
export function openDriver(world: World, user: string, gateway: 0 | 1): Gateway {
  const retrying: Retrying = (work, { signal }) =>
    patient(work, {
      signal,
      // The issuer's key may change between the first token and the second.
      repeatable: (error) => error.retryable || hasCode(error, 'invalid_token'),
    })
  const driver = createGateway({
    gateway: new URL(world.gateways[gateway].url),
    getToken: () => world.tokenOf(user),
    async fetch(target, init) {
      const { traffic } = world.journal
      const response = await sendRecorded(traffic, user, undefined, String(target), init)
      world.answered()
      return response
    },
    retrying,
    pacer: createBeginPacer(createStopwatch()),
  })
  const { signal } = new AbortController()
  // The client's own retries of an abort end earlier.
  return { ...driver, abort: (key) => retrying(() => driver.abort(key), { signal }) }
}

/** The value of a call, or the gateway's refusal as an error. */
export async function answerOf<T>(
  call: () => Promise<T>,
): Promise<{ value: T; refusal?: undefined } | { value?: undefined; refusal: UploadError }> {
  try {
    return { value: await call() }
  } catch (error) {
    if (hasStatus(error)) return { refusal: error }
    throw error
  }
}

function hasStatus(error: unknown): error is UploadError {
  return typeof (error as Partial<UploadError>).status === 'number'
}
