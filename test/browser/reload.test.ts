import { expect, test } from 'vitest'
import {
  chooseFileOnDisk,
  forgetFiles,
  kept,
  press,
  says,
  startPausedUpload,
} from '../support/browser.ts'

/** A paused upload that the browser has put aside. */
async function pausedUpload() {
  const bench = await startPausedUpload()
  const { page, content } = bench
  await expect.poll(async () => (await kept(page)).bytes).toBe(content.length)
  // Written half a second late.
  await expect.poll(async () => (await kept(page)).state).toContain('confirmKey')
  return bench
}

test('after a reload the file is still there, and only what is missing is sent', async () => {
  const { page, content, ann, partsReceived, storedBytes } = await pausedUpload()
  await page.reload()
  await says(page, '1 file came back after the reload')
  const before = partsReceived().length
  await press(page, /^(Resume|Upload 1 file)/)
  await says(page, 'Stored as clip.mp4.')
  expect(partsReceived().slice(before).toSorted()).toEqual([4, 5])
  expect((await storedBytes(['users', ann, 'clip.mp4'])).equals(content)).toBe(true)
})

test('a file that the browser could not keep is chosen again, and goes on', async () => {
  const { page, file, content, ann, partsReceived, storedBytes } = await pausedUpload()
  await forgetFiles(page)
  expect((await kept(page)).bytes).toBe(0)
  await page.reload()
  await says(page, 'clip.mp4 was not kept: choose it again to go on.')
  const before = partsReceived().length
  await chooseFileOnDisk(page, file)
  await press(page, /^(Resume|Upload 1 file)/)
  await says(page, 'Stored as clip.mp4.')
  expect(partsReceived().slice(before).toSorted()).toEqual([4, 5])
  expect((await storedBytes(['users', ann, 'clip.mp4'])).equals(content)).toBe(true)
})

test('what one user left behind does not come back for the other', async () => {
  const { page, ann, bob } = await pausedUpload()
  await page.getByRole('radio', { name: bob }).check()
  await page.reload()
  expect(await page.getByRole('radio', { name: bob }).isChecked()).toBe(true)
  await says(page, 'Nothing is under way.')
  await page.getByRole('radio', { name: ann }).check()
  await says(page, '1 file came back after the reload')
})
