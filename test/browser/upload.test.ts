import { createCRC64 } from 'hash-wasm'
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import {
  counted,
  PART_BYTES,
  press,
  row,
  says,
  simulateFailure,
  startBrowserHarness,
  uploadFile,
} from '../support/browser.ts'
import { someBytes } from '../support/harness.ts'

/** Records the progress that the page shows. */
async function keepWhatIsSaid(page: Page) {
  const kept = await page.evaluateHandle(() => {
    const said: string[] = []
    new MutationObserver((records) => {
      for (const { addedNodes } of records) said.push(addedNodes[0]?.textContent ?? '')
    }).observe(document.querySelector('#rows')!, { childList: true, subtree: true })
    return said
  })
  return () => kept.jsonValue()
}

test('upload: shows progress and stores the same bytes', async () => {
  const harness = await startBrowserHarness()
  const { page, ada, controls } = harness
  await harness.visitDemo()
  const said = await keepWhatIsSaid(page)
  const content = someBytes(5 * PART_BYTES + 4321)
  const crc = await createCRC64()
  const crc64 = BigInt(`0x${crc.update(content).digest('hex')}`).toString()

  const release = harness.holdPartsAfter(3)
  await uploadFile(page, 'Übung 1.mp4', content)
  await says(page, 'Übung 1.mp4', 'Uploading')
  await expect.poll(harness.partsReceived).toHaveLength(3)
  await press(page, 'Pause Übung 1.mp4')
  await says(page, 'Übung 1.mp4', 'Paused')
  release()
  await press(page, 'Resume Übung 1.mp4')
  await says(page, 'Übung 1.mp4', 'Stored as Übung 1.mp4')
  await page.getByText('5,247,201 bytes verified').waitFor()
  await page.getByText('Checksum').click()
  await page.getByText(`CRC64 ${crc64}`).waitFor()
  expect(await said()).toEqual(expect.arrayContaining(['Paused', 'Stored as Übung 1.mp4']))

  const path = ['users', ada, 'Übung 1.mp4']
  expect(controls.files()).toMatchObject([{ path, userId: ada, size: content.length, crc64 }])
  expect((await harness.storedBytes(path)).equals(content)).toBe(true)
})

test('upload: pause keeps the parts that have arrived, and resume sends the others', async () => {
  const harness = await startBrowserHarness()
  const { page, controls } = harness
  await harness.visitDemo()
  const release = harness.holdPartsAfter(5)
  const content = someBytes(9 * PART_BYTES)
  await uploadFile(page, 'clip.mp4', content)
  await expect.poll(harness.partsReceived).toHaveLength(5)
  await press(page, 'Pause clip.mp4')
  await says(page, 'clip.mp4', 'Paused')
  release()
  const before = controls.calls().length

  await press(page, 'Resume clip.mp4')
  await says(page, 'clip.mp4', 'Stored as clip.mp4')
  const later = controls.calls().slice(before)
  const sent = later.filter(({ route }) => route === 'put-part')
  expect(sent.map(({ query }) => query.partNumber).sort()).toEqual(['6', '7', '8', '9'])
  const stored = await harness.storedBytes(['users', harness.ada, 'clip.mp4'])
  expect(stored.equals(content)).toBe(true)
})

test('upload: cancel removes the upload from SMH, and the next upload can begin', async () => {
  const harness = await startBrowserHarness()
  const { page, controls } = harness
  await harness.visitDemo()
  const release = harness.holdPartsAfter(2)
  await uploadFile(page, 'clip.mp4', someBytes(3 * PART_BYTES))
  await expect.poll(harness.partsReceived).toHaveLength(2)
  expect(controls.openTasks()).toHaveLength(1)
  await press(page, 'Cancel clip.mp4')
  await page.getByText('clip.mp4 was cancelled and its parts were deleted.').waitFor()
  await expect.poll(controls.openTasks).toEqual([])
  expect(controls.files()).toEqual([])

  release()
  await uploadFile(page, 'note.txt', someBytes(3))
  await says(page, 'note.txt', 'Stored as note.txt')
})

test('upload: a file that SMH already has is stored at once', async () => {
  const harness = await startBrowserHarness()
  const { page } = harness
  await harness.visitDemo()
  const content = someBytes(2 * PART_BYTES)
  await uploadFile(page, 'first.mp4', content)
  await says(page, 'first.mp4', 'Stored as first.mp4')
  await uploadFile(page, 'second.mp4', content)
  await says(
    page,
    'second.mp4',
    'Stored as second.mp4. SMH already had the file, so nothing was sent.',
  )
  await page.getByText('2,097,152 bytes matched by hash').waitFor()
  expect(harness.partsReceived()).toHaveLength(2)
})

test('users: each user sees only their own files', async () => {
  const { page, ada, boris, controls, visitDemo } = await startBrowserHarness()
  await visitDemo()
  const stored = page.getByRole('region', { name: 'Stored for' })
  const names = () => stored.getByRole('listitem').locator('.name').allTextContents()
  await uploadFile(page, 'first.txt', someBytes(3))
  await says(page, 'first.txt', 'Stored as first.txt')
  await expect.poll(names).toEqual(['first.txt'])

  await page.getByRole('radio', { name: 'Boris' }).check()
  await stored.getByText('No files yet.').waitFor()
  expect(await page.locator('main').textContent()).not.toMatch(/Ada|first\.txt/)
  await uploadFile(page, 'second.txt', someBytes(4))
  await says(page, 'second.txt', 'Stored as second.txt')
  await expect.poll(names).toEqual(['second.txt'])

  await page.getByRole('radio', { name: 'Ada' }).check()
  await expect.poll(names).toEqual(['first.txt'])
  const kept = controls.files().map(({ path, userId }) => [userId, path.join('/')])
  expect(kept.toSorted()).toEqual(
    [
      [ada, `users/${ada}/first.txt`],
      [boris, `users/${boris}/second.txt`],
    ].toSorted(),
  )
})

test("users: an upload continues while the other user's files are shown", async () => {
  const harness = await startBrowserHarness()
  const { page, ada, controls } = harness
  await harness.visitDemo()
  await simulateFailure(page, 'COS is slow')
  await uploadFile(page, 'clip.mp4', someBytes(2 * PART_BYTES))
  await says(page, 'clip.mp4', 'Uploading')
  await page.getByRole('radio', { name: 'Boris' }).check()
  await expect.poll(() => row(page, 'clip.mp4').count()).toBe(0)
  await page.locator('#users label', { hasText: 'Ada' }).getByText('uploading').waitFor()
  await expect.poll(() => controls.files()).toMatchObject([{ userId: ada }])
  await expect.poll(() => counted(page, 'Parts received')).toBe(2)
  await page.getByRole('radio', { name: 'Ada' }).check()
  await says(page, 'clip.mp4', 'Stored as clip.mp4')
})
