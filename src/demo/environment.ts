import type { Emulator } from '../emulator/start.ts'
import type { DemoIssuer } from './demo-users.ts'

/** The services that a gateway needs. */
export interface Parts {
  emulator: Emulator
  issuer: DemoIssuer
}

/** The required variables of a gateway that uses these services. */
export function environmentOf({
  emulator,
  issuer,
}: {
  emulator: Pick<Emulator, 'libraryId' | 'librarySecret' | 'smhUrl'>
  issuer: Pick<DemoIssuer, 'issuer' | 'audience'>
}) {
  return {
    SMH_LIBRARY_ID: emulator.libraryId,
    SMH_LIBRARY_SECRET: emulator.librarySecret,
    SMH_ENDPOINT: emulator.smhUrl,
    JWT_ISSUER: issuer.issuer,
    JWT_AUDIENCE: issuer.audience,
    UPLOAD_PATH_PREFIX: 'users/{sub}',
  }
}
