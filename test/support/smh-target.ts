import { type Emulator, type EmulatorOptions, startEmulator } from '../../src/emulator/start.ts'

/** An SMH library to test against: the emulator, or the real service. */
export interface SmhTarget {
  endpoint: string
  libraryId: string
  librarySecret: string
  spaceId: string
  /** How to reach the `domain` that SMH names. */
  cosScheme: 'http' | 'https'
  close(): Promise<void>
}

/** With SMH_CONTRACT_ENDPOINT the contract suite speaks to the real service. */
export const onRealSmh = process.env.SMH_CONTRACT_ENDPOINT !== undefined

function required(name: string): string {
  const value = process.env[name]
  if (value === undefined) throw new Error(`${name} must be set with SMH_CONTRACT_ENDPOINT.`)
  return value
}

/** The real library named by the environment. */
export function realTarget(): SmhTarget {
  const endpoint = required('SMH_CONTRACT_ENDPOINT').replace(/\/$/, '')
  return {
    endpoint,
    libraryId: required('SMH_CONTRACT_LIBRARY_ID'),
    librarySecret: required('SMH_CONTRACT_LIBRARY_SECRET'),
    spaceId: process.env.SMH_CONTRACT_SPACE_ID ?? '-',
    // SMH and COS are https; an emulator that runs elsewhere is http on both sides.
    cosScheme: endpoint.startsWith('http:') ? 'http' : 'https',
    close: async () => {},
  }
}

/** A fresh emulator and how to reach it. */
export async function emulatorTarget(
  options?: EmulatorOptions,
): Promise<SmhTarget & { emulator: Emulator }> {
  const emulator = await startEmulator(options)
  return {
    emulator,
    endpoint: emulator.smhUrl,
    libraryId: emulator.libraryId,
    librarySecret: emulator.librarySecret,
    spaceId: options?.spaces?.[0] ?? '-',
    cosScheme: options?.tls ? 'https' : 'http',
    close: () => emulator.close(),
  }
}
