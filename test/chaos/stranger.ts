import { answerOf, openDriver } from './driver.ts'
import type { Attempt } from './ledger.ts'
import type { World } from './world.ts'

/** Somebody else has got hold of the upload's key and tries everything that can be done with one. */
export async function meddle(world: World, attempt: Attempt, gateway: 0 | 1): Promise<void> {
  const { confirmKey, wanted } = attempt
  const { people } = world.plan
  const stranger = people[(people.indexOf(wanted.user) + 1) % people.length]!
  if (confirmKey === undefined || stranger === wanted.user) return
  const driver = openDriver(world, stranger, gateway)
  const { signal } = new AbortController()
  for (const call of [
    () => driver.status(confirmKey, signal),
    () => driver.renew(confirmKey, undefined, signal),
    () => driver.complete(confirmKey, { crc64: wanted.crc64 }, signal),
    () => driver.abort(confirmKey),
  ]) {
    const { refusal } = await answerOf<unknown>(call)
    const told = refusal ? `${refusal.status} ${refusal.code}` : 'success'
    world.ledger.strangers.set(told, (world.ledger.strangers.get(told) ?? 0) + 1)
  }
}
