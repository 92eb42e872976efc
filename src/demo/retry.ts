import { setTimeout as wait } from 'node:timers/promises'

const ATTEMPTS = 5
const LONGEST_DELAY_MS = 10_000

/** Something that may well go better next time. */
export class PassingFault extends Error {
  /** When to try again, if somebody said so. */
  readonly afterMs: number | undefined

  constructor(message: string, { afterMs, cause }: { afterMs?: number; cause?: unknown } = {}) {
    super(message, { cause })
    this.name = 'PassingFault'
    this.afterMs = afterMs
  }
}

/** How to wait between two attempts. */
export interface RetryOptions {
  /** Before the second attempt; doubled for each one after it. */
  firstDelayMs: number
  /** Ends a wait at once. */
  signal?: AbortSignal | undefined
}

/** Does `work` again, five times in all, for as long as it fails with a {@link PassingFault}. */
export async function retrying<T>(
  work: () => Promise<T>,
  { firstDelayMs, signal }: RetryOptions,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work()
    } catch (error) {
      signal?.throwIfAborted()
      if (!(error instanceof PassingFault) || attempt === ATTEMPTS) throw error
      const backoffMs = Math.min(firstDelayMs * 2 ** (attempt - 1), LONGEST_DELAY_MS)
      // Workers that failed together had better not come back together.
      const delayMs = error.afterMs ?? backoffMs * (0.5 + Math.random() / 2)
      await wait(delayMs, undefined, { signal })
    }
  }
}
