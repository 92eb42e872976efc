import { attack } from './attacker.ts'
import { openPage } from './client-page.ts'
import { contentOf } from './content.ts'
import { answerOf, openDriver } from './driver.ts'
import type { Attempt } from './journal.ts'
import { note } from './user.ts'
import type { World } from './world.ts'

const { signal } = new AbortController()

/**
 * Lets the user of an upload learn its outcome when all failures are over.
 * Every upload with a confirm key must have a definite outcome.
 */
export async function settle(world: World, attempt: Attempt): Promise<void> {
  const { confirmKey, wanted, stored } = attempt
  if (confirmKey === undefined) return
  await attack(world, attempt, wanted.gateway)
  const driver = openDriver(world, wanted.user, wanted.gateway)
  if (stored.length === 0 && wanted.settleBy !== 'abort') await finish(world, attempt, confirmKey)
  if (attempt.stored.length > 0) {
    const { value } = await answerOf(() => driver.status(confirmKey, signal))
    if (value?.confirmed) attempt.settled = 'stored'
    return
  }
  const { refusal } = await answerOf(() => driver.abort(confirmKey))
  if (!refusal) attempt.settled = 'gone'
  else if (refusal.code === 'upload_complete') attempt.settled = 'stored'
}

/** Tries to complete the upload after all. */
async function finish(world: World, attempt: Attempt, confirmKey: string): Promise<void> {
  const { wanted, content } = attempt
  if (wanted.settleBy === 'complete') {
    const driver = openDriver(world, wanted.user, wanted.gateway)
    await note(attempt, driver.complete(confirmKey, { crc64: wanted.crc64 }, signal))
    return
  }
  const { client } = openPage(world, attempt, { gateway: wanted.gateway })
  const source = new Blob([contentOf(world.plan.seed, content.content, content.size)])
  await note(attempt, client.resume(confirmKey, source).done)
}
