import { UploadError } from '../../src/client/errors.ts'
import type { StoredFile, Upload } from '../../src/client/index.ts'
import { MIB } from '../../src/client/parts.ts'
import { attack } from './attacker.ts'
import { beginByHand } from './begin-by-hand.ts'
import { openPage, type Page } from './client-page.ts'
import { contentOf, fingerprintOf } from './content.ts'
import { answerOf, openDriver } from './driver.ts'
import type { Attempt } from './journal.ts'
import type { PlannedUpload } from './plan.ts'
import type { World } from './world.ts'

/** How often a user starts an upload again that has no confirm key. */
const MOST_ATTEMPTS = 5

/** Performs one planned upload as its user would, until there is a definite outcome or the user gives up. */
export async function performUpload(world: World, planned: PlannedUpload): Promise<void> {
  const { number, content, size } = planned
  const bytes = contentOf(world.plan.seed, content, size)
  const fingerprint = await fingerprintOf([bytes])
  for (let turn = 1; turn <= MOST_ATTEMPTS; turn += 1) {
    await world.gateways[planned.gateway].up()
    const attempt: Attempt = {
      id: `${number}.${turn}`,
      wanted: { ...planned, ...fingerprint },
      content: { content, size },
      confirmKey: undefined,
      confirmKeys: new Set(),
      stored: [],
      errorCodes: [],
      errorCodesAfterStored: [],
      lostBegins: 0,
      instantBegins: 0,
      beganAt: performance.now(),
      storedAt: undefined,
      settled: undefined,
    }
    world.journal.attempts.push(attempt)
    const behaviour = turn === 1 ? planned.behaviour : ({ kind: 'wait' } as const)
    const source = new Blob([bytes])
    if (behaviour.kind === 'begin twice') await beginTwice(world, planned, attempt, source)
    else await tryOnce(world, { ...planned, behaviour }, attempt, source)
    if (attempt.stored.length > 0 || attempt.confirmKey !== undefined) return
    if (attempt.errorCodes.includes('name_conflict') || hasGivenUp(planned)) return
  }
}

const hasGivenUp = ({ behaviour: { kind } }: PlannedUpload) => kind === 'abort' || kind === 'leave'

async function tryOnce(world: World, planned: PlannedUpload, attempt: Attempt, source: Blob) {
  const { behaviour, gateway, path, strategy } = planned
  const other = gateway === 0 ? 1 : 0
  const page = openPage(world, attempt, { gateway })
  const key = Promise.withResolvers<string | undefined>()
  const closed = Promise.withResolvers<void>()
  const besides: Promise<unknown>[] = []
  let aborted: Promise<void> | undefined

  const act = () => {
    switch (behaviour.kind) {
      case 'pause':
        upload.pause()
        besides.push(lookAndResume(page, upload, key.promise))
        break
      case 'reload':
      case 'leave':
        page.close()
        closed.resolve()
        break
      case 'abort':
        aborted = upload.abort()
        break
      case 'second device':
        besides.push(resumeOn(world, attempt, source, { gateway: other }, key.promise))
        break
      case 'list':
        besides.push(listOpen(world, attempt, other))
        break
      case 'attacker':
        besides.push(key.promise.then(() => attack(world, attempt, other)))
        break
    }
  }
  if ('at' in behaviour) {
    // Begin, the parts and complete; the hashes may take one or two more.
    const requests = Math.ceil(source.size / MIB) + 2
    page.atRequest(1 + Math.floor(behaviour.at * requests), () => queueMicrotask(act))
  }
  const upload = page.client.upload(source, {
    path,
    strategy,
    metadata: { upload: attempt.id },
    onConfirmKey: (confirmKey) => {
      attempt.confirmKey = confirmKey
      key.resolve(confirmKey)
    },
  })
  await Promise.race([note(attempt, upload.done), closed.promise])
  await aborted
  // The response to an aborted begin was lost.
  if (aborted) attempt.confirmKey = upload.confirmKey
  key.resolve(attempt.confirmKey)
  await Promise.all(besides)

  if (behaviour.kind === 'leave' && attempt.stored.length === 0) attempt.errorCodes.push('left')
  if (behaviour.kind === 'reload' && attempt.stored.length === 0) {
    attempt.errorCodes.push('left')
    const { partMib } = behaviour
    if (attempt.confirmKey) {
      await resumeOn(world, attempt, source, { gateway: other, partMib }, key.promise)
    }
  }
  if (behaviour.kind === 'complete again' && attempt.stored.length > 0) {
    await completeAgain(world, attempt)
  }
}

/** Records the outcome that a response reports for an upload, which may have been stored before. */
export async function note(attempt: Attempt, done: Promise<StoredFile>): Promise<void> {
  try {
    const { path, crc64, size } = await done
    attempt.stored.push({ path, crc64, size })
    attempt.storedAt ??= performance.now()
  } catch (error) {
    if (!(error instanceof UploadError)) throw error
    const errorCodes =
      attempt.storedAt === undefined ? attempt.errorCodes : attempt.errorCodesAfterStored
    errorCodes.push(error.code)
  }
}

async function lookAndResume({ client }: Page, upload: Upload, key: Promise<string | undefined>) {
  const confirmKey = await Promise.race([
    key,
    upload.done.then(
      () => undefined,
      () => undefined,
    ),
  ])
  if (confirmKey !== undefined) await client.status(confirmKey).catch(() => {})
  upload.resume()
}

export async function resumeOn(
  world: World,
  attempt: Attempt,
  source: Blob,
  where: { gateway: 0 | 1; partMib?: number },
  key: Promise<string | undefined>,
): Promise<void> {
  const confirmKey = await key
  if (confirmKey === undefined) return
  const { client } = openPage(world, attempt, where)
  const onConfirmKey = (current: string) => {
    attempt.confirmKey = current
  }
  await note(attempt, client.resume(confirmKey, source, { onConfirmKey }).done)
}

/** Begins with one Idempotency-Key through both gateways, sends the file, and repeats the begin. */
async function beginTwice(
  world: World,
  planned: PlannedUpload,
  attempt: Attempt,
  source: Blob,
): Promise<void> {
  const { size, number, gateway } = planned
  // A client may send small files in parts, too.
  const simple = size === 0 || (size <= MIB && number % 2 === 0)
  const byHand = beginByHand(world, planned, attempt, simple)
  attempt.confirmKey = await byHand.begin()
  if (attempt.confirmKey === undefined) return
  await listOpen(world, attempt, gateway === 0 ? 1 : 0)
  await resumeOn(world, attempt, source, { gateway }, Promise.resolve(attempt.confirmKey))
  if (attempt.stored.length > 0) await byHand.repeat()
}

/** The lists are part of the evidence. */
async function listOpen(world: World, { wanted }: Attempt, gateway: 0 | 1): Promise<void> {
  const { signal } = new AbortController()
  await answerOf(() => openDriver(world, wanted.user, gateway).list(signal))
}

/** Completes three times at once through both gateways. All must return the same file. */
async function completeAgain(world: World, attempt: Attempt): Promise<void> {
  const { confirmKey, wanted } = attempt
  if (confirmKey === undefined) return
  const { signal } = new AbortController()
  const again = async (gateway: 0 | 1) => {
    const driver = openDriver(world, wanted.user, gateway)
    await note(attempt, driver.complete(confirmKey, { crc64: wanted.crc64 }, signal))
    world.journal.completedAgain += 1
  }
  await Promise.all([again(0), again(1), again(0)])
}
