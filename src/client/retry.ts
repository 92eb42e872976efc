import { hasCode, UploadError } from './errors.ts'
import { type StartTask, startUnwatched, type Task, waitingAfter } from './state.ts'
import type { RetryOptions } from './types.ts'
import { isOffline, type Wait, waitUntilOnline } from './wait.ts'

/** However long somebody asks us to wait, this is enough. */
const MAX_RETRY_AFTER_MS = 60 * 60_000

/** What one run of {@link Retrying} goes by. */
interface Circumstances {
  signal: AbortSignal
  /** A number that changes when there was progress. */
  progress?: () => number
  /** Which faults may be met with a repetition; those that are `retryable` unless told. */
  repeatable?: (error: UploadError) => boolean
  /** The sequence of requests that this one belongs to; a task of its own by default. */
  task?: Task
}

export type Retrying = <T>(work: () => Promise<T>, circumstances: Circumstances) => Promise<T>

/**
 * Makes the function that does something again for as long as it is worth it: with exponential
 * backoff and full jitter, or when the other side said. While the browser knows that the network is
 * away, it waits for it without counting attempts.
 *
 * @param startTask learns what it waits for
 */
export function createRetrying(
  { attempts = 10, firstDelayMs = 500, longestDelayMs = 30_000 }: RetryOptions,
  wait: Wait,
  startTask: StartTask = startUnwatched,
): Retrying {
  return async (work, { signal, progress = () => 0, repeatable = mayPass, task: sequence }) => {
    const task = sequence ?? startTask()
    let fruitless = 0
    let seen = progress()
    try {
      for (let tries = 0; ; tries += 1) {
        try {
          signal.throwIfAborted()
          const result = await work()
          sequence?.moves()
          return result
        } catch (error) {
          signal.throwIfAborted()
          if (!(error instanceof UploadError) || !repeatable(error)) throw error
          if (hasCode(error, 'network') && isOffline()) {
            task.waits({ reason: 'network' })
            await waitUntilOnline(longestDelayMs, signal)
            continue
          }
          if (progress() !== seen) fruitless = 0
          seen = progress()
          fruitless += 1
          if (fruitless >= attempts) throw error
          // Uploads that failed together must not retry together.
          const backoffMs = Math.random() * Math.min(longestDelayMs, firstDelayMs * 2 ** tries)
          const waitMs = Math.min(MAX_RETRY_AFTER_MS, error.retryAfterMs ?? 0) + backoffMs
          task.waits(waitingAfter(error, waitMs))
          await wait(waitMs, signal)
        }
      }
    } finally {
      if (!sequence) task.ends()
    }
  }
}

/** What blocks an upload does not go away while the client waits. */
function mayPass({ code, retryable }: UploadError): boolean {
  return retryable && code !== 'blocked'
}
