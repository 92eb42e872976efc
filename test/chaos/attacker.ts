import { answerOf, openDriver } from './driver.ts'
import type { Attempt } from './journal.ts'
import type { World } from './world.ts'

/** Another user, who has obtained the upload's confirm key, tries every operation with it. */
export async function attack(world: World, attempt: Attempt, gateway: 0 | 1): Promise<void> {
  const { confirmKey, wanted } = attempt
  const { people } = world.plan
  const attacker = people[(people.indexOf(wanted.user) + 1) % people.length]!
  if (confirmKey === undefined || attacker === wanted.user) return
  const driver = openDriver(world, attacker, gateway)
  const { signal } = new AbortController()
  for (const call of [
    () => driver.status(confirmKey, signal),
    () => driver.renew(confirmKey, undefined, signal),
    () => driver.complete(confirmKey, { crc64: wanted.crc64 }, signal),
    () => driver.abort(confirmKey),
  ]) {
    const { refusal } = await answerOf<unknown>(call)
    const answer = refusal ? `${refusal.status} ${refusal.code}` : 'success'
    world.journal.attackerResponses.set(
      answer,
      (world.journal.attackerResponses.get(answer) ?? 0) + 1,
    )
  }
}
