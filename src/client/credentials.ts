import type { SignedCredentials } from './api.ts'
import type { Stopwatch } from './clock.ts'
import type { UploadCredentials } from './gateway-types.ts'

/** Long enough for a renewal, also for one that has to be tried again. */
const MARGIN_MS = 5 * 60_000

export type CredentialKeeper = ReturnType<typeof keepCredentials>

/** Hands out credentials that still work, and renews them for all parts at once. */
export function keepCredentials(
  first: SignedCredentials,
  renew: () => Promise<SignedCredentials>,
  now: Stopwatch,
) {
  let current = dated(first)
  let renewing: Promise<UploadCredentials> | undefined

  function dated({ credentials, lifetimeMs }: SignedCredentials) {
    // Where the whole life is short, less. Without a known life only a refusal tells.
    const renewInMs = lifetimeMs - Math.min(MARGIN_MS, lifetimeMs / 10)
    return { credentials, renewAt: now() + (Number.isNaN(renewInMs) ? Infinity : renewInMs) }
  }

  /** Renews once for all who ask meanwhile. */
  function renewed(): Promise<UploadCredentials> {
    renewing ??= renew()
      .then((signed) => {
        current = dated(signed)
        return current.credentials
      })
      .finally(() => {
        renewing = undefined
      })
    return renewing
  }

  return {
    /** Undefined when it is time to renew. */
    working: () => (now() < current.renewAt ? current.credentials : undefined),
    /** What to use when COS refused `used`: undefined when nothing newer is there. */
    insteadOf: (used: UploadCredentials) =>
      used === current.credentials ? undefined : current.credentials,
    renewed,
  }
}
