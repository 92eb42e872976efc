import { wait } from '../../src/client/wait.ts'
import { attack } from './attacker.ts'
import { contentOf } from './content.ts'
import { answerOf, openDriver } from './driver.ts'
import type { Attempt } from './journal.ts'
import { ledgerGapsOf } from './ledger-gaps.ts'
import { note, resumeOn } from './user.ts'
import type { World } from './world.ts'

const { signal } = new AbortController()

/**
 * Lets the user of an upload learn its outcome when all failures are over.
 * Every upload with a confirm key must have a definite outcome.
 */
export async function settle(world: World, attempt: Attempt): Promise<void> {
  const { confirmKey, confirmKeys, wanted, stored } = attempt
  if (confirmKeys.size === 0) return
  await attack(world, attempt, wanted.gateway)
  if (confirmKey !== undefined && stored.length === 0 && wanted.settleBy !== 'abort') {
    await finish(world, attempt, confirmKey)
  }
  const outcomes = new Set<Attempt['settled']>()
  // A simple upload that began again has several keys.
  for (const key of confirmKeys) outcomes.add(await outcomeOf(world, attempt, key))
  if (outcomes.has(undefined)) return
  attempt.settled = outcomes.has('stored') ? 'stored' : 'gone'
}

/** Ends the upload of one key if it is still open. */
async function outcomeOf(
  world: World,
  { wanted, stored }: Attempt,
  confirmKey: string,
): Promise<Attempt['settled']> {
  const driver = openDriver(world, wanted.user, wanted.gateway)
  if (stored.length > 0) {
    const { value } = await answerOf(() => driver.status(confirmKey, signal))
    if (value?.confirmed) return 'stored'
  }
  const { refusal } = await answerOf(() => driver.abort(confirmKey))
  if (!refusal || refusal.code === 'upload_not_found') return 'gone'
  return refusal.code === 'upload_complete' ? 'stored' : undefined
}

/** Tries to complete the upload after all. */
async function finish(world: World, attempt: Attempt, confirmKey: string): Promise<void> {
  const { wanted, content } = attempt
  if (wanted.settleBy === 'complete') {
    const driver = openDriver(world, wanted.user, wanted.gateway)
    await note(attempt, driver.complete(confirmKey, { crc64: wanted.crc64 }, signal))
    return
  }
  const source = new Blob([contentOf(world.plan.seed, content.content, content.size)])
  await resumeOn(world, attempt, source, { gateway: wanted.gateway }, Promise.resolve(confirmKey))
}

/** After an outage a gateway uses Redis again within 5 seconds. A busy machine needs longer. */
const SHARED_AGAIN_MS = 15_000

/** Waits until both gateways use Redis. */
export async function untilShared({ redis, gateways, journal }: World): Promise<void> {
  const isShared = () => gateways.every((gateway) => ledgerGapsOf(gateway).at(-1)?.to !== Infinity)
  const startedAt = Date.now()
  while (redis && !isShared()) {
    if (Date.now() - startedAt > SHARED_AGAIN_MS) {
      journal.incidents.push('a gateway did not use Redis again')
      return
    }
    await wait(100, signal)
  }
}

/** Every user lists the open uploads through both gateways. The lists are part of the evidence. */
export async function listAll(world: World): Promise<void> {
  for (const user of world.plan.people) {
    for (const gateway of [0, 1] as const) {
      await answerOf(() => openDriver(world, user, gateway).list(signal))
    }
  }
}

/** The user aborts every listed upload. Then both lists must be empty. */
export async function tidy(world: World, user: string): Promise<void> {
  const { journal } = world
  for (const gateway of [0, 1] as const) {
    const driver = openDriver(world, user, gateway)
    const { value: found = [] } = await answerOf(() => driver.list(signal))
    for (const { confirmKey } of found) {
      const { refusal } = await answerOf(() => driver.abort(confirmKey))
      if (!refusal) journal.tidied += 1
    }
  }
  for (const gateway of [0, 1] as const) {
    const { value: left = [] } = await answerOf(() => openDriver(world, user, gateway).list(signal))
    for (const { path } of left) {
      journal.incidents.push(`gateway ${gateway} still lists ${path.join('/')} after its abort`)
    }
  }
}
