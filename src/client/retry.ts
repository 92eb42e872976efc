import { hasCode, UploadError } from './errors.ts'
import { type StartTask, startUnwatched, type Task, waitingAfter } from './state.ts'
import type { RetryOptions } from './types.ts'
import { isOffline, type Wait, waitUntilOnline } from './wait.ts'

/** Limits the wait that a `Retry-After` can cause. */
const MAX_RETRY_AFTER_MS = 60 * 60_000

/** The options of one call of {@link Retrying}. */
interface WorkOptions {
  signal: AbortSignal
  /** Returns a number that changes when there is progress. Progress resets the count of attempts. */
  progress?: () => number
  /** Called before each attempt. Returns how many milliseconds the rate limit delays it. */
  delayMs?: () => number
  /** Whether an error permits a retry. Default: {@link isTemporary}. */
  repeatable?: (error: UploadError) => boolean
  /** The sequence of requests that the work belongs to. Default: a new task. */
  task?: Task
}

export type Retrying = <T>(work: () => Promise<T>, options: WorkOptions) => Promise<T>

/**
 * Creates a function that retries work with exponential backoff and full jitter, or after the time that
 * the response asks for. While the browser reports that it is offline, it waits without counting
 * attempts.
 *
 * @param startTask creates the task that shows what the work waits for
 */
export function createRetrying(
  { attempts = 10, firstDelayMs = 500, longestDelayMs = 30_000 }: RetryOptions,
  wait: Wait,
  startTask: StartTask = startUnwatched,
): Retrying {
  return async (
    work,
    { signal, progress = () => 0, delayMs = () => 0, repeatable = isTemporary, task: sequence },
  ) => {
    const task = sequence ?? startTask()
    let failures = 0
    let seen = progress()
    try {
      for (let tries = 0; ; tries += 1) {
        try {
          signal.throwIfAborted()
          const pacedMs = delayMs()
          if (pacedMs > 0) {
            task.waits({ reason: 'rate_limit', retryAt: Date.now() + pacedMs })
            await wait(pacedMs, signal)
            task.moves()
          }
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
          if (progress() !== seen) failures = 0
          seen = progress()
          failures += 1
          if (failures >= attempts) throw error
          // Jitter: uploads that failed together must not retry together.
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

/** Whether the cause may disappear while the client waits. What blocks an upload does not. */
export function isTemporary({ code, retryable }: UploadError): boolean {
  return retryable && code !== 'blocked'
}
