import { createCRC64 } from 'hash-wasm'
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import {
  chooseFile,
  counted,
  dashboard,
  makeHard,
  PART_BYTES,
  press,
  says,
  startBrowserBench,
  uploadFile,
} from '../support/browser.ts'
import { someBytes } from '../support/gateway.ts'

/** Keeps whatever the page says of its progress from now on. */
async function keepWhatIsSaid(page: Page) {
  const kept = await page.evaluateHandle(() => {
    const said: string[] = []
    new MutationObserver((records) => {
      for (const { addedNodes } of records) said.push(addedNodes[0]?.textContent ?? '')
    }).observe(document.querySelector('#status')!, { childList: true })
    return said
  })
  return () => kept.jsonValue()
}

test('a file goes up with its progress told, and what is stored is what was sent', async () => {
  const bench = await startBrowserBench()
  const { page, ann, controls } = bench
  await bench.visitDemo()
  const said = await keepWhatIsSaid(page)
  const content = someBytes(5 * PART_BYTES + 4321)
  const crc = await createCRC64()
  const crc64 = BigInt(`0x${crc.update(content).digest('hex')}`).toString()

  const release = bench.holdPartsAfter(3)
  await uploadFile(page, 'Übung 1.mp4', content)
  await says(page, /^Uploading/)
  await press(page, 'Pause')
  await says(page, 'Paused.')
  release()
  await press(page, 'Resume')
  await says(page, 'Stored as Übung 1.mp4.')
  await page.getByText(`CRC64 ${crc64}: equal to the local file's`).waitFor()
  expect(await said()).toEqual(expect.arrayContaining(['Paused.', 'Stored as Übung 1.mp4.']))

  const path = ['users', ann, 'Übung 1.mp4']
  expect(controls.files()).toMatchObject([{ path, userId: ann, size: content.length, crc64 }])
  expect((await bench.storedBytes(path)).equals(content)).toBe(true)
})

test('a paused upload keeps what has arrived and goes on when it is resumed', async () => {
  const bench = await startBrowserBench()
  const { page, controls } = bench
  await bench.visitDemo()
  const release = bench.holdPartsAfter(5)
  const content = someBytes(9 * PART_BYTES)
  await uploadFile(page, 'clip.mp4', content)
  await expect.poll(bench.partsReceived).toHaveLength(5)
  await press(page, 'Pause')
  await says(page, 'Paused.')
  release()
  const before = controls.calls().length

  await press(page, 'Resume')
  await says(page, 'Stored as clip.mp4.')
  const later = controls.calls().slice(before)
  const sent = later.filter(({ route }) => route === 'put-part')
  expect(sent.map(({ query }) => query.partNumber).sort()).toEqual(['6', '7', '8', '9'])
  const stored = await bench.storedBytes(['users', bench.ann, 'clip.mp4'])
  expect(stored.equals(content)).toBe(true)
})

test('a cancelled upload is gone from SMH, and the next one can begin', async () => {
  const bench = await startBrowserBench()
  const { page, controls } = bench
  await bench.visitDemo()
  const release = bench.holdPartsAfter(2)
  await uploadFile(page, 'clip.mp4', someBytes(3 * PART_BYTES))
  await expect.poll(bench.partsReceived).toHaveLength(2)
  expect(controls.openTasks()).toHaveLength(1)
  await dashboard(page).getByRole('button', { name: 'Cancel', exact: true }).last().click()
  await says(page, /^Cancelled/)
  await expect.poll(controls.openTasks).toEqual([])
  expect(controls.files()).toEqual([])

  release()
  await uploadFile(page, 'note.txt', someBytes(3))
  await says(page, 'Stored as note.txt.')
})

test('a file that SMH has already is stored at once', async () => {
  const bench = await startBrowserBench()
  const { page } = bench
  await bench.visitDemo()
  const content = someBytes(2 * PART_BYTES)
  await uploadFile(page, 'first.mp4', content)
  await says(page, 'Stored as first.mp4.')
  await press(page, 'Done')
  await uploadFile(page, 'second.mp4', content)
  await says(page, 'Stored as second.mp4 at once: SMH had these bytes already.')
  await page.getByText(/instant, SMH had these bytes/).waitFor()
  expect(bench.partsReceived()).toHaveLength(2)
})

test('an empty file is refused in plain words', async () => {
  const { page, visitDemo } = await startBrowserBench()
  await visitDemo()
  await chooseFile(page, 'empty.txt', new Uint8Array())
  await says(page, 'empty.txt is empty; an upload has at least one byte.')
})

test('each user sees only files of their own', async () => {
  const { page, ann, bob, controls, visitDemo } = await startBrowserBench()
  await visitDemo()
  const stored = page.getByRole('region', { name: 'Stored for' })
  const names = () => stored.getByRole('listitem').locator('.name').allTextContents()
  await uploadFile(page, 'first.txt', someBytes(3))
  await says(page, 'Stored as first.txt.')
  await expect.poll(names).toEqual(['first.txt'])

  await page.getByRole('radio', { name: bob }).check()
  await stored.getByText('Nothing yet.').waitFor()
  expect(await stored.textContent()).not.toContain(ann)
  expect(await dashboard(page).textContent()).not.toContain('first.txt')
  await uploadFile(page, 'second.txt', someBytes(4))
  await says(page, 'Stored as second.txt.')
  await expect.poll(names).toEqual(['second.txt'])

  await page.getByRole('radio', { name: ann }).check()
  await expect.poll(names).toEqual(['first.txt'])
  const kept = controls.files().map(({ path, userId }) => [userId, path.join('/')])
  expect(kept.toSorted()).toEqual(
    [
      [ann, `users/${ann}/first.txt`],
      [bob, `users/${bob}/second.txt`],
    ].toSorted(),
  )
})

test("an upload goes on while the other user's page is shown", async () => {
  const bench = await startBrowserBench()
  const { page, ann, bob, controls } = bench
  await bench.visitDemo()
  await makeHard(page, 'COS is slow')
  await uploadFile(page, 'clip.mp4', someBytes(2 * PART_BYTES))
  await says(page, /^Uploading/)
  await page.getByRole('radio', { name: bob }).check()
  await says(page, 'Nothing is under way.')
  await page
    .locator('#people label', { hasText: ann })
    .getByText(/^uploading/)
    .waitFor()
  await expect.poll(() => controls.files()).toMatchObject([{ userId: ann }])
  await expect.poll(() => counted(page, 'Parts received')).toBe(2)
  await page.getByRole('radio', { name: ann }).check()
  await says(page, 'Stored as clip.mp4.')
})
