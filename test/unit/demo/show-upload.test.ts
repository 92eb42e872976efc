import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { openFile } from '../../../src/demo/local-file.ts'
import { showUpload } from '../../../src/demo/show-upload.ts'
import { startDemo } from '../../../src/demo/start-demo.ts'
import { MiB, someBytes } from '../../support/harness.ts'

test('showUpload: reports and aborts an upload that fails', async () => {
  const { signal } = new AbortController()
  const demo = await startDemo({ log: () => {}, worker: false, signal, pagePort: 0 })
  onTestFinished(() => demo.close())
  const write = () => vi.fn((_text: unknown) => true)
  const out = vi.spyOn(process.stdout, 'write').mockImplementation(write())
  const errors = vi.spyOn(process.stderr, 'write').mockImplementation(write())
  onTestFinished(() => void vi.restoreAllMocks())
  const file = join(demo.folder, 'clip.mp4')
  await writeFile(file, someBytes(9 * MiB))
  demo.emulator.controls.force('put-part', { status: 404, code: 'NoSuchBucket', times: Infinity })

  const opened = { path: file, content: await openFile(file) }
  expect(await showUpload(demo, opened, { signal, log: false })).toBe(false)
  const textOf = ({ mock }: typeof out) => mock.calls.map(([text]) => text).join('')
  expect(textOf(out)).toBe('\nclip.mp4: 9 MB in 3 parts\n\n')
  expect(textOf(errors)).toBe(`${file}: COS rejected a part: NoSuchBucket.\n`)
  const { controls } = demo.emulator
  expect([controls.files(), controls.openTasks()]).toEqual([[], []])
})
