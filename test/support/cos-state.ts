import { createState, type State } from '../../src/emulator/state.ts'

/** A state of the emulator for COS alone, in which it is always `now`, milliseconds. */
export function cosState(now: number): State {
  return createState({
    libraryId: 'smh0',
    librarySecrets: ['s'],
    multiTenant: false,
    spaces: [],
    credentialTtlMs: 7_200_000,
    corsOrigins: ['*'],
    cosScheme: 'http',
    clock: () => now,
  })
}
