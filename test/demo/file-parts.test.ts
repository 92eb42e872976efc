import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { crc64Of, cutIntoParts, openFile, readBytes } from '../../src/demo/file-parts.ts'

const MiB = 1024 * 1024
const GiB = 1024 * MiB

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'file-parts-'))
  return () => rm(folder, { recursive: true })
})

async function opened(name: string, content: string) {
  const file = join(folder, name)
  await writeFile(file, content)
  const { handle, size } = await openFile(file)
  onTestFinished(() => handle.close())
  return { file, handle, size }
}

test.each([
  [1, 4 * MiB, 1],
  [4 * MiB, 4 * MiB, 1],
  [4 * MiB + 1, 4 * MiB, 4 * MiB],
  [10_000 * 4 * MiB, 4 * MiB, 4 * MiB],
  [10_000 * 4 * MiB + 1, 4 * MiB, 8 * MiB],
  [10_000 * MiB + 1, MiB, 2 * MiB],
  [10_000 * 5 * GiB, 4 * MiB, 5 * GiB],
])('%i bytes are cut into parts of at least %i', (size, least, first) => {
  const parts = cutIntoParts(size, least)
  expect(parts.length).toBeLessThanOrEqual(10_000)
  expect(parts[0]).toEqual({ number: 1, start: 0, end: Math.min(size, Math.max(least, first)) })
  expect(parts.at(-1)).toMatchObject({ number: parts.length, end: size })
  for (const [index, part] of parts.slice(1).entries()) expect(part.start).toBe(parts[index]!.end)
})

test('more than COS can hold cannot be cut', () => {
  expect(() => cutIntoParts(10_000 * 5 * GiB + 1, 4 * MiB)).toThrow('is larger than')
})

test('the checksum is CRC-64/XZ, decimal', async () => {
  const { handle, size } = await opened('digits', '123456789')
  // The check value of the algorithm: 0x995dc9bbdf1939fa.
  expect(await crc64Of(handle, size, new AbortController().signal)).toBe('11051210869376104954')
})

test('a file that shrinks meanwhile is told', async () => {
  const { file, handle } = await opened('shrinking', 'abc')
  await truncate(file, 1)
  const read = async () => {
    for await (const _chunk of readBytes(handle, { start: 0, end: 3 }));
  }
  await expect(read()).rejects.toThrow('became shorter')
})

test('what cannot be uploaded is named', async () => {
  await writeFile(join(folder, 'empty'), '')
  await expect(openFile(join(folder, 'missing'))).rejects.toThrow(/^does not exist$/)
  await expect(openFile(join(folder, 'empty', 'below'))).rejects.toThrow(/^does not exist$/)
  await expect(openFile(folder)).rejects.toThrow(/^is a directory$/)
  await expect(openFile(join(folder, 'empty'))).rejects.toThrow(/^is empty/)
  await expect(openFile('/dev/null')).rejects.toThrow(/^is not a regular file$/)
})
