import { expect, test } from 'vitest'
import { fileOnDisk, linkOf, press, says, startPausedUpload, visit } from '../support/browser.ts'

/** A paused upload, with the link that continues it. */
async function pausedUpload() {
  const harness = await startPausedUpload()
  return { ...harness, link: await linkOf(harness.page, 'clip.mp4') }
}

test('resume link: continues the upload in another browser with the same file', async () => {
  const { link, file, content, ada, newProfile, partsReceived, storedBytes } = await pausedUpload()
  const other = await newProfile()
  const asked: string[] = []
  other.on('request', (request) => asked.push(request.url()))
  await visit(other, link)
  expect(await other.getByRole('radio', { name: 'Ada' }).isChecked()).toBe(true)
  await other.getByRole('heading', { name: 'Choose clip.mp4 (5 MB) to continue' }).waitFor()
  await other.getByText('3 MB has arrived').waitFor()
  expect(new URL(other.url()).hash).toBe('')
  expect(asked.filter((url) => url.includes('continue='))).toEqual([])

  const before = partsReceived().length
  await other.getByLabel('Choose the file').setInputFiles(file)
  await says(other, 'clip.mp4', 'Stored as clip.mp4')
  expect(partsReceived().slice(before).toSorted()).toEqual([4, 5])
  expect((await storedBytes(['users', ada, 'clip.mp4'])).equals(content)).toBe(true)
})

test('resume link: two browsers that continue one upload store one file', async () => {
  const { page, controls, link, file, newProfile } = await pausedUpload()
  const other = await newProfile()
  await visit(other, link)
  await other.getByLabel('Choose the file').setInputFiles(file)
  await says(other, 'clip.mp4', 'Stored as clip.mp4')
  await press(page, 'Resume clip.mp4')
  await says(page, 'clip.mp4', 'Stored as clip.mp4')
  expect(controls.files()).toHaveLength(1)
  await other.goto('about:blank')
  await visit(other, link)
  await other.getByRole('heading', { name: 'clip.mp4 is already stored' }).waitFor()
})

test('resume link: rejects another file', async () => {
  const { link, content, newProfile, partsReceived } = await pausedUpload()
  const other = await newProfile()
  await visit(other, link)
  const input = other.getByLabel('Choose the file')
  await input.setInputFiles(await fileOnDisk('other.mp4', content))
  await other.getByRole('alert').filter({ hasText: 'You chose other.mp4' }).waitFor()
  await input.setInputFiles(await fileOnDisk('clip.mp4', content.subarray(1)))
  await other.getByRole('alert').filter({ hasText: 'You chose clip.mp4' }).waitFor()
  expect(partsReceived()).toHaveLength(3)
})

test('resume link: another user cannot use it and sees whose upload it is', async () => {
  const { link, ada, boris, newProfile, file, partsReceived } = await pausedUpload()
  const other = await newProfile()
  await visit(other, new URL(link).origin)
  await other.getByRole('radio', { name: 'Boris' }).check()
  await visit(other, link)
  await other.getByRole('heading', { name: 'This upload is not yours' }).waitFor()
  await other.getByText('It belongs to Ada.').waitFor()
  expect(await other.getByLabel('Choose the file').isVisible()).toBe(false)
  // The gateway ignores the owner that the link names.
  await visit(other, link.replace(`user=${ada}`, `user=${boris}`))
  await other.getByText('It does not belong to Boris, or it has ended.').waitFor()
  expect(partsReceived()).toHaveLength(3)

  await visit(other, link)
  await other.getByRole('button', { name: 'Sign in as Ada' }).click()
  await other.getByLabel('Choose the file').setInputFiles(file)
  await says(other, 'clip.mp4', 'Stored as clip.mp4')
})
