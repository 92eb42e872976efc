import { createCRC64 } from 'hash-wasm'
import { expect, test } from 'vitest'
import {
  bob,
  type Credentials,
  expectFetches,
  type Harness,
  MiB,
  someBytes,
  startHarness,
} from '../support/harness.ts'
import { expectProblem } from '../support/problems.ts'

/** Whole uploads, as clients go through them: over HTTP alone. */

async function crc64Of(parts: readonly Uint8Array[]): Promise<string> {
  const crc = await createCRC64()
  for (const part of parts) crc.update(part)
  return BigInt(`0x${crc.digest('hex')}`).toString()
}

async function storedBytes(harness: Harness, path: string[]): Promise<Uint8Array> {
  return new Uint8Array(
    await new Response(harness.emulator.controls.readFile('-', path)).arrayBuffer(),
  )
}

test('journey: parts in any order and in parallel make the whole file', async () => {
  const harness = await startHarness()
  const parts = [someBytes(MiB, 1), someBytes(MiB, 2), someBytes(MiB, 3), someBytes(10, 4)]
  const upload = await harness.begin({ path: 'holiday/clip.mp4', size: 3 * MiB + 10 })
  await Promise.all([4, 2, 1, 3].map((n) => harness.putPart(upload, n, parts[n - 1]!)))
  const crc64 = await crc64Of(parts)
  const response = await harness.complete(upload, { body: { crc64 } })
  expect(response.status).toBe(200)
  expect(await response.json()).toMatchObject({ path: ['holiday', 'clip.mp4'], crc64 })
  const stored = await storedBytes(harness, ['users', 'ann', 'holiday', 'clip.mp4'])
  expect(Buffer.compare(stored, Buffer.concat(parts))).toBe(0)
})

test('journey: a one-byte file is stored', async () => {
  const harness = await startHarness()
  expect(await harness.upload('one', [someBytes(1)])).toMatchObject({ name: 'one', size: 1 })
})

test('journey: another device resumes an upload on another day', async () => {
  const harness = await startHarness()
  const parts = [someBytes(MiB, 1), someBytes(MiB, 2), someBytes(5, 3)]
  const begun = await harness.begin({ path: 'clip.mp4', size: 2 * MiB + 5 })
  await harness.putPart(begun, 2, parts[1]!)

  harness.advance(24 * 60 * 60_000)
  const path = `/v1/uploads/${begun.confirmKey}`
  const status = await (await harness.request('GET', path)).json()
  const arrived: number[] = status.parts.map((part: { partNumber: number }) => part.partNumber)
  const renewed = (await (await harness.request('POST', `${path}/renew`)).json()) as Credentials
  for (const [index, part] of parts.entries()) {
    if (arrived.includes(index + 1)) continue
    expect((await harness.putPart(renewed, index + 1, part)).status).toBe(200)
  }
  const body = { crc64: await crc64Of(parts) }
  expect((await harness.complete(renewed, { body })).status).toBe(200)
  const sent = harness.emulator.controls.calls().filter(({ route }) => route === 'put-part')
  expect(sent.filter(({ status: answered }) => answered === 200)).toHaveLength(3)
})

test('journey: two users upload the same path into separate folders', async () => {
  const harness = await startHarness()
  const annas = await harness.uploadParts('a.txt', [someBytes(5, 1)])
  const bobs = await harness.uploadParts('a.txt', [someBytes(6, 2)], { as: bob })
  for (const [upload, as] of [
    [annas, bob],
    [bobs, undefined],
  ] as const) {
    await expectProblem(await harness.complete(upload, as ? { as } : {}), 404, 'upload_not_found')
  }
  const answers = [await harness.complete(annas), await harness.complete(bobs, { as: bob })]
  for (const answer of answers) expect(await answer.json()).toMatchObject({ path: ['a.txt'] })
  const stored = harness.emulator.controls.files().map(({ path, userId }) => [path[1], userId])
  expect(stored).toEqual([
    ['ann', 'ann'],
    ['bob', 'bob'],
  ])
})

test('journey: an upload is aborted halfway and started again', async () => {
  const harness = await startHarness()
  const first = await harness.begin({ path: 'a.txt', size: MiB + 5 })
  await harness.putPart(first, 1, someBytes(MiB))
  await harness.request('DELETE', `/v1/uploads/${first.confirmKey}`)
  expect((await harness.putPart(first, 2, someBytes(5))).status).toBe(404)
  expect(await harness.upload('a.txt', [someBytes(MiB), someBytes(5)])).toMatchObject({
    name: 'a.txt',
  })
  expect(harness.emulator.controls.openTasks()).toEqual([])
})

test('journey: when complete and abort run at once, one succeeds and both responses agree', async () => {
  const harness = await startHarness()
  const upload = await harness.uploadParts('a.txt', [someBytes(5)])
  const [completed, aborted] = await Promise.all([
    harness.complete(upload),
    harness.request('DELETE', `/v1/uploads/${upload.confirmKey}`),
  ])
  const stored = harness.emulator.controls.files().length
  expect([completed.status, aborted.status, stored]).toEqual(
    stored === 1 ? [200, 409, 1] : [404, 204, 0],
  )
})

test('journey: fifty users upload at once, and each file is stored', async () => {
  const harness = await startHarness()
  const users = Array.from({ length: 50 }, (_, index) => ({ sub: `user-${index}` }))
  const files = await Promise.all(
    users.map((as, index) => harness.upload('a/b.bin', [someBytes(100 + index, index)], { as })),
  )
  expect(files.map(({ size }) => size)).toEqual(users.map((_, index) => 100 + index))
  expectFetches(harness.smhCalls('mint-token').length, 50)
  const owners = new Set(harness.emulator.controls.files().map(({ userId }) => userId))
  expect(owners.size).toBe(50)
})
