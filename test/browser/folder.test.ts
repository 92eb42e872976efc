import { expect, test } from 'vitest'
import {
  fileOnDisk,
  folderOnDisk,
  hasTitle,
  PART_BYTES,
  press,
  row,
  says,
  simulateFailure,
  startBrowserHarness,
  startPausedUpload,
  uploadFolder,
  uploadFromDisk,
  visit,
} from '../support/browser.ts'
import { someBytes } from '../support/harness.ts'

const FILES = 1000
const EMPTY_FILES = 5

test('folder: 1,000 files are stored once, with one progress and a reload in the middle', {
  timeout: 300_000,
}, async () => {
  const harness = await startBrowserHarness()
  const { page, controls, ada } = harness
  const files = Object.fromEntries(
    Array.from({ length: FILES }, (_, index) => [
      `${index % 10}/${index}.bin`,
      someBytes(index < EMPTY_FILES ? 0 : 100 * 1024, index),
    ]),
  )
  const folder = await folderOnDisk('camera', files)
  await harness.visitDemo()
  await uploadFolder(page, folder)
  await hasTitle(page, 'Uploading 1,000 files')
  expect(await page.getByRole('progressbar', { name: 'Progress of the folder' }).count()).toBe(1)
  expect(await page.locator('#rows > li').count()).toBe(0)
  await expect.poll(() => controls.files().length, { timeout: 100_000 }).toBeGreaterThan(400)
  await page.reload()
  await page.getByRole('heading', { name: /^camera: \d+ of 1,000 files stored$/ }).waitFor()
  const before = controls.files().length
  expect(before).toBeLessThan(FILES)
  await page.getByText('Choose camera again').waitFor()
  await page.getByLabel('Choose the folder again').setInputFiles(folder)
  await page
    .getByRole('heading', { name: 'camera: 1,000 files stored' })
    .waitFor({ timeout: 200_000 })

  const stored = controls.files()
  const paths = stored.map(({ path }) => path.join('/'))
  const wanted = Object.keys(files).map((path) => `users/${ada}/camera/${path}`)
  expect(paths.toSorted()).toEqual(wanted.toSorted())
  expect(stored.filter(({ size }) => size === 0)).toHaveLength(EMPTY_FILES)
  expect(controls.openTasks()).toEqual([])
  const path = ['users', ada, 'camera', '7', '7.bin']
  expect((await harness.storedBytes(path)).equals(files['7/7.bin']!)).toBe(true)
  // A complete folder leaves no record.
  const left = await page.evaluate(() => Object.keys(localStorage))
  expect(left.filter((key) => key.startsWith('folder:'))).toEqual([])
})

test('folder: a file whose response a reload loses is not stored twice', async () => {
  const harness = await startBrowserHarness()
  const { page, controls } = harness
  const folder = await folderOnDisk('camera', { 'a.txt': someBytes(3), 'b.txt': someBytes(4) })
  await harness.visitDemo()
  let isReloaded = false
  await page.route('**/complete', async (route) => {
    if (isReloaded) return route.continue()
    // The page never receives the response.
    await route.fetch()
  })
  await uploadFolder(page, folder)
  await expect.poll(() => controls.files().length).toBe(2)
  isReloaded = true
  await page.reload()
  await page.getByRole('heading', { name: 'camera: 0 of 2 files stored' }).waitFor()
  await page.getByLabel('Choose the folder again').setInputFiles(folder)
  await hasTitle(page, 'camera: 2 files stored')
  expect(controls.files()).toHaveLength(2)
})

test('folder: failures have reasons, and a retry uploads only the failed files', async () => {
  const harness = await startBrowserHarness()
  const { page, controls } = harness
  const files = { 'a.txt': someBytes(3), 'b.txt': someBytes(4), 'c:.txt': someBytes(5) }
  const folder = await folderOnDisk('camera', files)
  controls.force('begin-simple', {
    status: 451,
    code: 'SensitiveContentRecognized',
    match: ({ path }) => path.endsWith('b.txt'),
  })
  await harness.visitDemo()
  await uploadFolder(page, folder)
  await hasTitle(page, 'camera: 1 of 3 files stored, 2 failed')
  await page.getByText('2 files failed').click()
  const reasons = page.locator('#folder-reasons')
  await reasons.getByText('This content cannot be stored.').waitFor()
  await reasons.getByText('Rename the file.').waitFor()
  await press(page, 'Retry failed files')
  await hasTitle(page, 'camera: 2 of 3 files stored, 1 failed')
  await press(page, 'Clear folder')
  await expect.poll(() => page.title()).toBe('Upload gateway for SMH: demo')
  expect(controls.files()).toHaveLength(2)
})

test('folder: pause, resume and cancel apply to all files', async () => {
  const harness = await startBrowserHarness()
  const { page, controls } = harness
  const files = Object.fromEntries(
    ['a', 'b', 'c', 'd', 'e', 'f'].map((name, index) => [
      `${name}.bin`,
      someBytes(2 * PART_BYTES + index, index),
    ]),
  )
  const folder = await folderOnDisk('camera', files)
  await harness.visitDemo()
  const release = harness.holdPartsAfter(1)
  await uploadFolder(page, folder)
  await expect.poll(harness.partsReceived).toHaveLength(4)
  await press(page, 'Pause folder')
  await hasTitle(page, '6 files paused')
  release()
  await simulateFailure(page, 'Network off')
  await press(page, 'Resume folder')
  await page.locator('#folder').getByText('The connection was lost.').waitFor()
  await simulateFailure(page, 'Network off', false)
  await hasTitle(page, 'camera: 6 files stored')
  expect(controls.files()).toHaveLength(6)

  harness.holdPartsAfter(0)
  await press(page, 'Clear folder')
  await uploadFolder(page, await folderOnDisk('other', { 'a.bin': someBytes(3 * PART_BYTES, 9) }))
  await expect.poll(() => controls.openTasks().length).toBe(1)
  await press(page, 'Cancel folder')
  await expect.poll(() => controls.openTasks()).toEqual([])
  await expect.poll(() => page.locator('#folder').isVisible()).toBe(false)
  expect(controls.files()).toHaveLength(6)
})

test('open uploads: one from another device resumes with the same file', async () => {
  const harness = await startPausedUpload()
  const { demo, content, file, ada, newProfile, partsReceived, storedBytes } = harness
  const other = await newProfile()
  await visit(other, demo.pageUrl)
  await other.getByRole('heading', { name: 'You have 1 unfinished upload' }).waitFor()
  const before = partsReceived().length
  const input = other.getByLabel('Choose clip.mp4 to resume')
  await input.setInputFiles(await fileOnDisk('clip.mp4', someBytes(7)))
  await other.getByText('This file has 7 bytes.').waitFor()
  await input.setInputFiles(file)
  await says(other, 'clip.mp4', 'Stored as clip.mp4')
  await expect.poll(() => other.locator('#open').isVisible()).toBe(false)
  expect(partsReceived().slice(before).toSorted()).toEqual([4, 5])
  expect((await storedBytes(['users', ada, 'clip.mp4'])).equals(content)).toBe(true)
})

test('open uploads: adding the same file resumes it', async () => {
  const { demo, file, controls, newProfile, partsReceived } = await startPausedUpload()
  const other = await newProfile()
  await visit(other, demo.pageUrl)
  const before = partsReceived().length
  await uploadFromDisk(other, file)
  await says(other, 'clip.mp4', 'Stored as clip.mp4')
  expect(partsReceived().slice(before).toSorted()).toEqual([4, 5])
  expect(controls.files()).toHaveLength(1)
})

test('open uploads: discard deletes one, and the row of its own page is not offered', async () => {
  const { demo, page, controls, newProfile } = await startPausedUpload()
  expect(await page.locator('#open').isVisible()).toBe(false)
  const other = await newProfile()
  await visit(other, demo.pageUrl)
  await press(other, 'Discard clip.mp4')
  await expect.poll(() => controls.openTasks()).toEqual([])
  expect(await row(other, 'clip.mp4').count()).toBe(0)
  await expect.poll(() => other.locator('#open').isVisible()).toBe(false)
})
