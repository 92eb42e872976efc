import type { SignedCredentials } from './api.ts'
import type { Stopwatch } from './clock.ts'
import type { UploadCredentials } from './gateway-types.ts'

/** Credentials are renewed this long before they expire. This leaves time for retries. */
const MARGIN_MS = 5 * 60_000

export type CredentialKeeper = ReturnType<typeof keepCredentials>

/** Keeps the credentials of one upload. Concurrent parts share one renewal. */
export function keepCredentials(
  first: SignedCredentials,
  renew: () => Promise<SignedCredentials>,
  now: Stopwatch,
) {
  let current = dated(first)
  let renewing: Promise<UploadCredentials> | undefined

  function dated({ credentials, lifetimeMs }: SignedCredentials) {
    // A short lifetime has a shorter margin. Without a lifetime, only a 403 causes a renewal.
    const renewInMs = lifetimeMs - Math.min(MARGIN_MS, lifetimeMs / 10)
    return { credentials, renewAt: now() + (Number.isNaN(renewInMs) ? Infinity : renewInMs) }
  }

  /** Renews. Calls during a renewal share its result. */
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
    /** The current credentials, or undefined when they need a renewal. */
    working: () => (now() < current.renewAt ? current.credentials : undefined),
    /** Newer credentials than `used`, which COS has rejected, if there are any. */
    insteadOf: (used: UploadCredentials) =>
      used === current.credentials ? undefined : current.credentials,
    renewed,
  }
}
