import { createCRC64 } from 'hash-wasm'
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { chooseFile, says, showsArrived, startBrowserBench } from '../support/browser.ts'
import { MiB, someBytes } from '../support/gateway.ts'

/** Keeps whatever the page shows of its progress from now on. */
async function keepProgress(page: Page) {
  const kept = await page.evaluateHandle(() => {
    const bar = document.querySelector('progress')!
    const status = document.querySelector('[role=status]')!
    const seen = { said: [] as string[], shown: [] as number[] }
    new MutationObserver((records) => {
      for (const { addedNodes } of records) seen.said.push(addedNodes[0]?.textContent ?? '')
    }).observe(status, { childList: true })
    new MutationObserver(() => seen.shown.push(bar.value)).observe(bar, { attributes: true })
    return seen
  })
  return () => kept.jsonValue()
}

test('a file goes up with its progress shown, and what is stored is what was sent', async () => {
  const { page, ann, controls, storedBytes, visitDemo } = await startBrowserBench()
  await visitDemo()
  const progress = await keepProgress(page)
  const content = someBytes(20 * MiB + 4321)
  const crc = await createCRC64()
  const crc64 = BigInt(`0x${crc.update(content).digest('hex')}`).toString()

  await chooseFile(page, 'Übung 1.mp4', content)
  await says(page, 'Stored as Übung 1.mp4.')
  await page.getByText(`CRC64 ${crc64}: equal to the local file's`).waitFor()
  const { said, shown } = await progress()
  expect(said).toEqual(expect.arrayContaining(['Uploading, 50 % has arrived', 'Completing']))
  expect(shown.length).toBeGreaterThan(10)
  expect(shown).toEqual(shown.toSorted((one, two) => one - two))
  expect(shown.at(-1)).toBe(1)

  const path = ['users', ann, 'Übung 1.mp4']
  expect(controls.files()).toMatchObject([{ path, userId: ann, size: content.length, crc64 }])
  expect((await storedBytes(path)).equals(content)).toBe(true)
})

test('credentials that end midway are renewed, and no part is stored twice', async () => {
  const { page, ann, controls, atCall, storedBytes, visitDemo } = await startBrowserBench()
  await visitDemo()
  let parts: { number: number; receivedTimes: number }[] = []
  let ended = false
  atCall('put-part', ({ partNumber }) => {
    if (ended || partNumber !== '8') return
    ended = true
    controls.expireCredentials()
  })
  atCall('confirm', () => {
    parts = controls.openTasks().flatMap((task) => task.parts)
  })
  const content = someBytes(16 * MiB)
  await chooseFile(page, 'clip.mp4', content)
  await says(page, 'Stored as clip.mp4.')

  expect(parts.map(({ number }) => number)).toEqual(Array.from({ length: 16 }, (_, i) => i + 1))
  expect(parts.filter(({ receivedTimes }) => receivedTimes !== 1)).toEqual([])
  const calls = controls.calls()
  const refused = calls.filter(({ route, status }) => route === 'put-part' && status === 403)
  expect(refused.length).toBeGreaterThan(0)
  expect(calls.filter(({ route }) => route === 'renew')).toHaveLength(1)
  expect((await storedBytes(['users', ann, 'clip.mp4'])).equals(content)).toBe(true)
})

test('a paused upload keeps what has arrived and goes on when it is resumed', async () => {
  const bench = await startBrowserBench()
  const { page, controls } = bench
  await bench.visitDemo()
  bench.holdPartsAfter(5)
  const content = someBytes(9 * MiB)
  await chooseFile(page, 'clip.mp4', content)
  await showsArrived(page, 5)
  await page.getByRole('button', { name: 'Pause' }).click()
  await says(page, 'Paused')
  await expect.poll(() => page.locator('#parts .sending').count()).toBe(0)
  controls.clearFaults()
  const before = controls.calls().length

  await page.getByRole('button', { name: 'Resume' }).click()
  await says(page, 'Stored as clip.mp4.')
  const later = controls.calls().slice(before)
  const sent = later.filter(({ route }) => route === 'put-part')
  expect(sent.map(({ query }) => query.partNumber).sort()).toEqual(['6', '7', '8', '9'])
  const stored = await bench.storedBytes(['users', bench.ann, 'clip.mp4'])
  expect(stored.equals(content)).toBe(true)
})

test('an aborted upload is gone from SMH, and the next one can begin', async () => {
  const bench = await startBrowserBench()
  const { page, controls } = bench
  await bench.visitDemo()
  bench.holdPartsAfter(3)
  await chooseFile(page, 'clip.mp4', someBytes(6 * MiB))
  await showsArrived(page, 3)
  expect(controls.openTasks()).toHaveLength(1)
  await page.getByRole('button', { name: 'Abort' }).click()
  await says(page, 'Aborted; SMH has dropped what had arrived.')
  expect(controls.openTasks()).toEqual([])
  expect(controls.files()).toEqual([])
  for (const name of ['Pause', 'Renew', 'Abort']) {
    expect(await page.getByRole('button', { name }).isDisabled()).toBe(true)
  }

  controls.clearFaults()
  await chooseFile(page, 'note.txt', someBytes(3))
  await says(page, 'Stored as note.txt.')
})

test('each user sees only files of their own', async () => {
  const { page, ann, bob, controls, visitDemo } = await startBrowserBench()
  await visitDemo()
  const stored = page.getByRole('region', { name: 'Stored in this session' })
  const names = () => stored.getByRole('listitem').allTextContents()
  await chooseFile(page, 'first.txt', someBytes(3))
  await says(page, 'Stored as first.txt.')
  expect(await names()).toEqual([expect.stringMatching(/^first\.txt, 3 bytes/)])

  await page.getByRole('radio', { name: bob }).check()
  await stored.getByText('Nothing yet.').waitFor()
  expect(await names()).toEqual([])
  expect(await stored.textContent()).not.toContain(ann)
  await chooseFile(page, 'second.txt', someBytes(4))
  await says(page, 'Stored as second.txt.')
  expect(await names()).toEqual([expect.stringMatching(/^second\.txt, 4 bytes/)])

  await page.getByRole('radio', { name: ann }).check()
  await expect.poll(names).toEqual([expect.stringMatching(/^first\.txt, 3 bytes/)])
  const kept = controls.files().map(({ path, userId }) => [userId, path.join('/')])
  expect(kept.toSorted()).toEqual(
    [
      [ann, `users/${ann}/first.txt`],
      [bob, `users/${bob}/second.txt`],
    ].toSorted(),
  )
})
