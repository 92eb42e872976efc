import { expect, test } from 'vitest'
import {
  forgetFiles,
  hasTitle,
  kept,
  press,
  row,
  says,
  startPausedUpload,
  uploadFromDisk,
} from '../support/browser.ts'

/** A paused upload that Golden Retriever has stored. */
async function pausedUpload() {
  const harness = await startPausedUpload()
  const { page, content } = harness
  await expect.poll(async () => (await kept(page)).bytes).toBe(content.length)
  // Golden Retriever writes after half a second.
  await expect.poll(async () => (await kept(page)).state).toContain('confirmKey')
  return harness
}

test('reload: restores the file, and resume sends only the missing parts', async () => {
  const { page, content, ada, partsReceived, storedBytes } = await pausedUpload()
  await page.reload()
  await hasTitle(page, '1 file to resume')
  await says(page, 'clip.mp4', 'Interrupted by the reload')
  const before = partsReceived().length
  await press(page, 'Resume clip.mp4')
  await says(page, 'clip.mp4', 'Stored as clip.mp4')
  expect(partsReceived().slice(before).toSorted()).toEqual([4, 5])
  expect((await storedBytes(['users', ada, 'clip.mp4'])).equals(content)).toBe(true)
})

test('reload: a file that the browser could not keep continues when it is chosen again', async () => {
  const { page, file, content, ada, partsReceived, storedBytes } = await pausedUpload()
  await forgetFiles(page)
  expect((await kept(page)).bytes).toBe(0)
  await page.reload()
  await says(page, 'clip.mp4', 'Choose it again to resume.')
  const before = partsReceived().length
  await uploadFromDisk(page, file)
  await says(page, 'clip.mp4', 'Stored as clip.mp4')
  expect(partsReceived().slice(before).toSorted()).toEqual([4, 5])
  expect((await storedBytes(['users', ada, 'clip.mp4'])).equals(content)).toBe(true)
})

test('reload: restores files only for their own user', async () => {
  const { page } = await pausedUpload()
  await page.getByRole('radio', { name: 'Boris' }).check()
  await page.reload()
  expect(await page.getByRole('radio', { name: 'Boris' }).isChecked()).toBe(true)
  await page.getByText('A reload keeps files').waitFor()
  await expect.poll(() => row(page, 'clip.mp4').count()).toBe(0)
  await page.getByRole('radio', { name: 'Ada' }).check()
  await says(page, 'clip.mp4', 'Interrupted by the reload')
})
