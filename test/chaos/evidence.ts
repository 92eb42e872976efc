import { type Fingerprint, fingerprintOf } from './content.ts'
import type { Journal } from './journal.ts'
import type { World } from './world.ts'

export interface FoundFile extends Fingerprint {
  path: string[]
  /** The owner according to SMH. */
  userId: string
  /** The attempt's id, from the file's metadata. */
  id: string | undefined
}

export interface FoundTask {
  path: string[]
  userId: string
  parts: number
}

/** What SMH and COS hold in the end, and what the gateways have written. */
export interface Evidence extends Pick<Journal, 'attempts' | 'attackerResponses' | 'incidents'> {
  files: FoundFile[]
  openTasks: FoundTask[]
  /** How many of the gateways' secrets appear in their output. */
  leaks: number
  /** Uploads for which SMH received calls with different user IDs. */
  sharedTasks: number
}

/** Reads the state of SMH and COS directly, without the gateways. */
export async function gatherEvidence(world: World): Promise<Evidence> {
  const { controls } = world.emulator
  const files: FoundFile[] = []
  for (const { spaceId, path, userId, metaData } of controls.files()) {
    const stream = controls.readFile(spaceId, path)
    const id = metaData?.['x-smh-meta-upload']
    files.push({ ...(await fingerprintOf(stream)), path, userId, id })
  }
  const written = world.gateways.map((gateway) => gateway.written()).join('\n')
  const { attempts, attackerResponses, incidents } = world.journal
  return {
    attempts,
    attackerResponses,
    incidents,
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
