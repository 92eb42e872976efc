import { type Fingerprint, fingerprintOf } from './content.ts'
import type { Ledger } from './ledger.ts'
import type { World } from './world.ts'

export interface FoundFile extends Fingerprint {
  path: string[]
  /** Whom SMH says it belongs to. */
  userId: string
  /** Of which attempt it is, by its metadata. */
  id: string | undefined
}

export interface FoundTask {
  path: string[]
  userId: string
  parts: number
}

/** What SMH and COS hold in the end, and what the gateways have written. */
export interface Evidence extends Pick<Ledger, 'attempts' | 'strangers' | 'faults'> {
  files: FoundFile[]
  openTasks: FoundTask[]
  /** Those of the gateways' secrets that stand in what they wrote, without saying them. */
  leaks: number
  /** Uploads that SMH was asked about in the name of several users. */
  sharedTasks: number
}

/** Looks at everything behind the gateways' backs. */
export async function gatherEvidence(world: World): Promise<Evidence> {
  const { controls } = world.emulator
  const files: FoundFile[] = []
  for (const { spaceId, path, userId, metaData } of controls.files()) {
    const stream = controls.readFile(spaceId, path)
    const id = metaData?.['x-smh-meta-upload']
    files.push({ ...(await fingerprintOf(stream)), path, userId, id })
  }
  const written = world.gateways.map((gateway) => gateway.written()).join('\n')
  const { attempts, strangers, faults } = world.ledger
  return {
    attempts,
    strangers,
    faults,
    files,
    openTasks: controls
      .openTasks()
      .map(({ path, userId, parts }) => ({ path, userId, parts: parts.length })),
    sharedTasks: usersOfTasks(world).filter((users) => users.size > 1).length,
    leaks: world.secrets().filter((secret) => written.includes(secret)).length,
  }
}

function usersOfTasks({ emulator }: World): Set<string>[] {
  const users = new Map<string, Set<string>>()
  emulator.controls.eachCall(({ path, query }) => {
    const [key] = path.match(/[0-9a-f]{64}$/) ?? []
    if (key && query.user_id) users.set(key, (users.get(key) ?? new Set()).add(query.user_id))
  })
  return [...users.values()]
}
