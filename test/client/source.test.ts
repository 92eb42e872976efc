import { openAsBlob } from 'node:fs'
import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { crc64 } from '../../src/client/crc64.ts'
import { crc64Of } from '../../src/client/source.ts'
import { MiB, someBytes, startHarness } from '../support/harness.ts'
import { pausedUpload, sentNumbers, storedBytes, uploadClient } from '../support/upload-client.ts'

async function aFile(content: Uint8Array): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'client-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const file = join(folder, 'clip.mp4')
  await writeFile(file, content)
  return file
}

const content = someBytes(3 * MiB + 9)

test('upload: the bytes of a file on disk arrive unchanged', async () => {
  const harness = await startHarness()
  const blob = await openAsBlob(await aFile(content))
  await uploadClient(harness).upload(blob, { path: 'a.bin' }).done
  expect((await storedBytes(harness, 'a.bin')).equals(content)).toBe(true)
})

test('crc64Of: the checksum of a slice of a file', async () => {
  const blob = await openAsBlob(await aFile(content))
  const { signal } = new AbortController()
  expect(await crc64Of(blob.slice(MiB, 2 * MiB + 3), signal)).toBe(
    crc64(content.subarray(MiB, 2 * MiB + 3)),
  )
})

test('upload: fails with source_changed when the file changes', async () => {
  const harness = await startHarness()
  const file = await aFile(content)
  const client = uploadClient(harness, { partsInParallel: 1 })
  const options = { path: 'a.bin', instant: false }
  const upload = await pausedUpload(client, await openAsBlob(file), options)
  await appendFile(file, 'more')
  upload.resume()
  await expect(upload.done).rejects.toMatchObject({ code: 'source_changed', retryable: false })
})

test('upload: fails with source_changed when the body is no longer readable', async () => {
  const harness = await startHarness()
  const file = await aFile(content)
  const read = Promise.withResolvers<void>()
  let first = true
  const failing: typeof fetch = async (target, init) => {
    if (!first || !String(target).includes('partNumber')) return fetch(target, init)
    first = false
    // The checksum has been computed; the body has not been read.
    await read.promise
    await appendFile(file, 'more')
    return fetch(target, init)
  }
  const blob = await openAsBlob(file)
  const client = uploadClient(harness, { fetch: failing, partsInParallel: 1 })
  const { done } = client.upload(blob, { path: 'a.bin', instant: false })
  await crc64Of(blob, new AbortController().signal)
  read.resolve()
  await expect(done).rejects.toMatchObject({ code: 'source_changed' })
  expect(sentNumbers(harness).length).toBeLessThan(4)
})
