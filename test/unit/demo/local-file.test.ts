import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { crc64Of, openFile } from '../../../src/demo/local-file.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'local-file-'))
  return () => rm(folder, { recursive: true })
})

async function aFile(name: string, content: string): Promise<string> {
  const file = join(folder, name)
  await writeFile(file, content)
  return file
}

test('openFile: returns a blob with the bytes of the file', async () => {
  expect(await (await openFile(await aFile('digits', '123456789'))).text()).toBe('123456789')
})

test('crc64Of: returns the CRC-64/XZ as a decimal number', async () => {
  const file = await aFile('digits', '123456789')
  // The check value of the algorithm: 0x995dc9bbdf1939fa.
  expect(await crc64Of(file, new AbortController().signal)).toBe('11051210869376104954')
})

test('crc64Of: rejects when the signal is aborted', async () => {
  const file = await aFile('digits', '123456789')
  await expect(crc64Of(file, AbortSignal.abort())).rejects.toThrow('aborted')
})

test('openFile: reports why a file cannot be uploaded', async () => {
  const empty = await aFile('empty', '')
  await expect(openFile(join(folder, 'missing'))).rejects.toThrow(/^does not exist$/)
  await expect(openFile(join(empty, 'below'))).rejects.toThrow(/^does not exist$/)
  await expect(openFile(folder)).rejects.toThrow(/^is a directory$/)
  expect((await openFile(empty)).size).toBe(0)
  await expect(openFile('/dev/null')).rejects.toThrow(/^is not a regular file$/)
})
