import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCRC64 } from 'hash-wasm'
import { expect, onTestFinished, test } from 'vitest'
import { type UploadOptions, uploadFile } from '../../src/demo/upload-file.ts'
import { ann, type Bench, MiB, someBytes, startBench } from '../support/gateway.ts'

async function aFile(content: Uint8Array): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'upload-file-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const file = join(folder, 'clip.mp4')
  await writeFile(file, content)
  return file
}

/** One part of 1 MiB after the other, as ann, without long waits. */
function options(bench: Bench, file: string): UploadOptions {
  return {
    gatewayUrl: bench.gateway.url,
    token: () => bench.issuer.token(ann),
    file,
    path: 'holiday/clip.mp4',
    cosScheme: 'http',
    partBytes: MiB,
    parallel: 1,
    firstDelayMs: 1,
    clock: bench.clock,
  }
}

/** The status of every part that COS was sent, in the order in which they came. */
function partStatuses({ emulator }: Bench) {
  const calls = emulator.controls.calls().filter(({ route }) => route === 'put-part')
  return calls.map(({ status }) => status)
}

/** Runs `act` once, when more than `bytes` have gone. */
function once(bytes: number, act: () => void): (sent: number) => void {
  let done = false
  return (sent) => {
    if (done || sent <= bytes) return
    done = true
    act()
  }
}

test('a file arrives as it is, in parts that go side by side', async () => {
  const bench = await startBench()
  const content = someBytes(5 * MiB + 7)
  const file = await aFile(content)
  const crc = await createCRC64()
  const crc64 = BigInt(`0x${crc.update(content).digest('hex')}`).toString()
  const progress: number[] = []
  const begun: object[] = []
  const uploaded = await uploadFile({
    ...options(bench, file),
    parallel: 4,
    onBegin: (upload) => begun.push(upload),
    onProgress: (bytes) => progress.push(bytes),
  })
  expect(begun).toEqual([
    {
      size: content.length,
      parts: 6,
      received: ['domain', 'path', 'uploadId', 'headers', 'confirmKey'],
    },
  ])
  expect(uploaded).toMatchObject({
    size: content.length,
    crc64,
    stored: { path: ['holiday', 'clip.mp4'], size: content.length, crc64 },
  })
  expect(progress.at(-1)).toBe(content.length)
  const stored = bench.emulator.controls.readFile('-', ['users', 'ann', 'holiday', 'clip.mp4'])
  expect(Buffer.from(await new Response(stored).arrayBuffer()).equals(content)).toBe(true)
})

test('credentials that end midway are renewed, and the refused part is sent again', async () => {
  const bench = await startBench()
  const file = await aFile(someBytes(4 * MiB))
  const { stored } = await uploadFile({
    ...options(bench, file),
    onProgress: once(2 * MiB, () => bench.emulator.controls.expireCredentials()),
  })
  expect(stored.size).toBe(4 * MiB)
  expect(partStatuses(bench).filter((status) => status === 403)).toHaveLength(1)
  expect(bench.smhCalls('renew')).toHaveLength(1)
})

test('parts that are refused together share one renewal', async () => {
  const bench = await startBench()
  const file = await aFile(someBytes(8 * MiB))
  await uploadFile({
    ...options(bench, file),
    parallel: 4,
    onBegin: () => bench.emulator.controls.expireCredentials(),
  })
  expect(partStatuses(bench).filter((status) => status === 403)).toHaveLength(4)
  expect(bench.smhCalls('renew')).toHaveLength(1)
})

test('credentials are renewed before they end, so that no part is refused', async () => {
  const bench = await startBench({ emulator: { credentialTtlSeconds: 600 } })
  const file = await aFile(someBytes(4 * MiB))
  await uploadFile({
    ...options(bench, file),
    onProgress: once(2 * MiB, () => bench.advance(595_000)),
  })
  expect(partStatuses(bench)).toEqual([200, 200, 200, 200])
  expect(bench.smhCalls('renew')).toHaveLength(1)
})

test.each([
  ['is told to slow down', { status: 503, code: 'SlowDown' }],
  ['loses its answer', { drop: 'after' as const }],
  ['never gets through', { drop: 'before' as const }],
])('a part that %s once is sent again', async (_what, fault) => {
  const bench = await startBench()
  const file = await aFile(someBytes(3 * MiB))
  bench.emulator.controls.force('put-part', fault)
  const progress: number[] = []
  const { crc64, stored } = await uploadFile({
    ...options(bench, file),
    onProgress: (bytes) => progress.push(bytes),
  })
  expect(stored.crc64).toBe(crc64)
  expect(partStatuses(bench)).toHaveLength(4)
  expect(progress.at(-1)).toBe(3 * MiB)
})

test('a lost answer to complete is asked for again', async () => {
  const bench = await startBench()
  const file = await aFile(someBytes(MiB))
  bench.emulator.controls.loseConfirmResponse()
  const { crc64, stored } = await uploadFile(options(bench, file))
  expect(stored.crc64).toBe(crc64)
  expect(bench.emulator.controls.files()).toHaveLength(1)
})

test('a part that never arrives ends the upload, which is aborted', async () => {
  const bench = await startBench()
  const file = await aFile(someBytes(3 * MiB))
  bench.emulator.controls.force('put-part', { status: 500, times: Infinity })
  await expect(uploadFile(options(bench, file))).rejects.toThrow('COS refuses a part')
  expect(partStatuses(bench)).toEqual([500, 500, 500, 500, 500])
  expect(bench.emulator.controls.openTasks()).toEqual([])
})

test('what COS refuses for good is not tried again', async () => {
  const bench = await startBench()
  const file = await aFile(someBytes(3 * MiB))
  bench.emulator.controls.force('put-part', { status: 404, code: 'NoSuchUpload' })
  await expect(uploadFile(options(bench, file))).rejects.toThrow('NoSuchUpload')
  expect(partStatuses(bench)).toEqual([404])
})

test('bytes that arrive otherwise than they left are told, and nothing is stored', async () => {
  const bench = await startBench()
  const file = await aFile(someBytes(3 * MiB))
  const { controls } = bench.emulator
  const corrupt = once(2 * MiB, () => {
    const [task] = controls.openTasks()
    void controls.corruptPart(task!.confirmKey, 1)
  })
  const upload = uploadFile({ ...options(bench, file), onProgress: corrupt })
  await expect(upload).rejects.toMatchObject({ code: 'checksum_mismatch' })
  expect([controls.files(), controls.openTasks()]).toEqual([[], []])
})

test('an upload that is given up is aborted through the gateway', async () => {
  const bench = await startBench()
  const file = await aFile(someBytes(4 * MiB))
  const stop = new AbortController()
  const reason = new Error('enough')
  const upload = uploadFile({
    ...options(bench, file),
    signal: stop.signal,
    onProgress: once(2 * MiB, () => stop.abort(reason)),
  })
  await expect(upload).rejects.toBe(reason)
  expect(bench.smhCalls('cancel')).toHaveLength(1)
  expect(bench.emulator.controls.openTasks()).toEqual([])
})

test("the gateway's refusal comes in its own words", async () => {
  const bench = await startBench({ environment: { UPLOAD_ALLOWED_EXTENSIONS: 'jpg' } })
  const file = await aFile(someBytes(10))
  const upload = uploadFile(options(bench, file))
  await expect(upload).rejects.toMatchObject({
    code: 'not_permitted',
    message: expect.stringMatching(/^the gateway says: /),
  })
})
