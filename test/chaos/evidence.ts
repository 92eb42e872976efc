import { type Fingerprint, fingerprintOf } from './content.ts'
import type { Journal } from './journal.ts'
import { type Gap, gapsOf } from './ledger-gaps.ts'
import type { SmhBegins } from './smh-begins.ts'
import type { KeyLife, LogicalBegin, ReceivedList } from './traffic.ts'
import { SMH_TIMEOUT_MS, type World } from './world.ts'

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
  /** Whether a response to a user named it. */
  isNamed: boolean
}

/** All requests with one Idempotency-Key, and what became of them in SMH. */
export interface FoundBegin extends LogicalBegin {
  /** Tasks that SMH created, whose responses reached the gateway if it lived. */
  created: number
  /** Calls that may have created a task although the gateway did not get their response. */
  lost: number
}

/** What SMH and COS hold in the end, and what the gateways have written. */
export interface Evidence extends Pick<Journal, 'attempts' | 'attackerResponses' | 'incidents'> {
  begins: FoundBegin[]
  lives: ReadonlyMap<string, KeyLife>
  lists: readonly ReceivedList[]
  /** When the ledger was not shared, or lost its data. */
  gaps: readonly Gap[]
  /** When a gateway was killed, milliseconds since the epoch. */
  kills: readonly number[]
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
  const { attempts, attackerResponses, incidents, traffic } = world.journal
  const callsByKey = Map.groupBy(
    world.smhBegins.calls,
    ({ call }) => call.headers['x-smh-meta-begin'],
  )
  const named = new Set([...traffic.lives.keys()].map(smhConfirmKeyOf))
  const slowBegins = slowBeginsIn(written)
  return {
    attempts,
    attackerResponses,
    incidents,
    files,
    begins: [...traffic.begins].map(([key, begin]) => ({
      ...begin,
      ...fatesOf(callsByKey.get(key) ?? [], world, slowBegins),
    })),
    lives: traffic.lives,
    lists: traffic.lists,
    gaps: gapsOf(world.redis, world.gateways),
    kills: world.gateways.flatMap((gateway) => gateway.kills()),
    openTasks: controls.openTasks().map(({ confirmKey, path, userId, parts }) => ({
      path,
      userId,
      parts: parts.length,
      isNamed: named.has(confirmKey),
    })),
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

/** The gateway's confirm key contains SMH's, in base64url. */
function smhConfirmKeyOf(confirmKey: string): string {
  return Buffer.from(confirmKey.split('.')[4] ?? '', 'base64url').toString()
}

function fatesOf(calls: SmhBegins['calls'], { smhBegins }: World, slowBegins: readonly number[]) {
  let created = 0
  let lost = 0
  for (const { call, at } of calls) {
    const fate = smhBegins.fateOf(call)
    // 202: SMH asks for the full hash.
    const isCreated = call.status === 200 || call.status === 201
    // SMH does not respond to a gateway that has disconnected.
    const isLost = fate === 'possible' || call.status === null || isSlow(at, slowBegins)
    if (fate === 'none' || !(isCreated || isLost)) continue
    if (isLost) lost += 1
    else created += 1
  }
  return { created, lost }
}

/** Whether a gateway gave up a begin at this time. On a busy machine that happens without a failure of the plan. */
function isSlow(at: number, slowBegins: readonly number[]): boolean {
  return slowBegins.some((end) => end >= at && end <= at + 4 * SMH_TIMEOUT_MS)
}

/** When gateways gave up begins because SMH did not respond in time. */
function slowBeginsIn(written: string): number[] {
  const lines = written.matchAll(
    /^.*"operation":"(?:begin|instant)Upload".*"reason":"(?:timeout|stalled|deadline_exceeded)".*$/gm,
  )
  return [...lines].map(([line]) => Date.parse((JSON.parse(line) as { time: string }).time))
}
