import { expect, test } from 'vitest'
import {
  counted,
  hasTitle,
  PART_BYTES,
  press,
  says,
  simulateFailure,
  startBrowserHarness,
  uploadFile,
} from '../support/browser.ts'
import { someBytes } from '../support/harness.ts'
import { watchTraffic } from '../support/watch-traffic.ts'

test('failures: expired credentials are renewed, and no part is stored twice', async () => {
  const harness = await startBrowserHarness()
  const { page, ada, controls } = harness
  const { written } = await watchTraffic(page)
  await harness.visitDemo()
  let parts: { number: number; receivedTimes: number }[] = []
  let ended = false
  harness.atCall('put-part', ({ partNumber }) => {
    if (ended || partNumber !== '8') return
    ended = true
    controls.expireCredentials()
  })
  harness.atCall('confirm', () => {
    parts = controls.openTasks().flatMap((task) => task.parts)
  })
  const content = someBytes(16 * PART_BYTES)
  await uploadFile(page, 'clip.mp4', content)
  await says(page, 'clip.mp4', 'Stored as clip.mp4')

  expect(parts.map(({ number }) => number)).toEqual(Array.from({ length: 16 }, (_, i) => i + 1))
  expect(parts.filter(({ receivedTimes }) => receivedTimes !== 1)).toEqual([])
  const calls = controls.calls()
  const refused = calls.filter(({ route, status }) => route === 'put-part' && status === 403)
  expect(refused.length).toBeGreaterThan(0)
  expect(calls.filter(({ route }) => route === 'renew')).toHaveLength(1)
  await expect.poll(() => counted(page, 'Renewals')).toBe(1)
  // The browser itself logs the 403. Nothing else may be logged.
  expect(written.filter((line) => !line.includes('403'))).toEqual([])
  expect((await harness.storedBytes(['users', ada, 'clip.mp4'])).equals(content)).toBe(true)
})

test('failures: credentials that last 3 s are renewed until the upload is complete', async () => {
  const harness = await startBrowserHarness()
  const { page } = harness
  await harness.visitDemo()
  await simulateFailure(page, 'Credentials expire in 3 s')
  await simulateFailure(page, 'COS is slow')
  await uploadFile(page, 'clip.mp4', someBytes(16 * PART_BYTES))
  await says(page, 'clip.mp4', 'Stored as clip.mp4')
  await expect.poll(() => counted(page, 'Renewals')).toBeGreaterThanOrEqual(1)
  expect(harness.partsReceived().toSorted((one, two) => one - two)).toEqual(
    Array.from({ length: 16 }, (_, index) => index + 1),
  )
})

test('failures: a lost part is sent again, and the page shows its number', async () => {
  const harness = await startBrowserHarness()
  const { page } = harness
  await harness.visitDemo()
  await simulateFailure(page, 'A part is lost')
  await uploadFile(page, 'clip.mp4', someBytes(3 * PART_BYTES))
  await says(page, 'clip.mp4', 'Stored as clip.mp4')
  await page.getByText(/^Part [123] was lost and sent again\.$/).waitFor()
  await expect.poll(() => counted(page, 'Sent again')).toBe(1)
  expect(await page.getByRole('switch', { name: 'A part is lost' }).isChecked()).toBe(false)
})

test('failures: an upload waits without network and continues automatically', async () => {
  const harness = await startBrowserHarness()
  const { page, demo } = harness
  await harness.visitDemo()
  const release = harness.holdPartsAfter(2)
  await uploadFile(page, 'clip.mp4', someBytes(4 * PART_BYTES))
  await expect.poll(harness.partsReceived).toHaveLength(2)
  await simulateFailure(page, 'Network off')
  await says(page, 'clip.mp4', 'The connection was lost. The upload continues when it is restored.')
  await hasTitle(page, '1 file waiting')
  await expect(fetch(`${demo.gatewayUrl}/livez`)).rejects.toThrow()
  await expect(fetch(demo.emulator.cosUrl)).rejects.toThrow()
  release()
  await simulateFailure(page, 'Network off', false)
  await says(page, 'clip.mp4', 'Stored as clip.mp4')
  expect(harness.partsReceived().toSorted()).toEqual([1, 2, 3, 4])
})

test('failures: an upload completes with a slow SMH', async () => {
  const harness = await startBrowserHarness()
  const { page } = harness
  await harness.visitDemo()
  await simulateFailure(page, 'SMH is slow')
  const before = performance.now()
  await uploadFile(page, 'note.txt', someBytes(3))
  await says(page, 'note.txt', 'Stored as note.txt')
  expect(performance.now() - before).toBeGreaterThan(4_000)
})

test('failures: the page shows that SMH rejects an upload, and Retry begins a new one', async () => {
  const harness = await startBrowserHarness()
  const { page, controls } = harness
  await harness.visitDemo()
  controls.setQuota('-', 10)
  await uploadFile(page, 'clip.txt', someBytes(100))
  await says(page, 'clip.txt', 'There is not enough space left for this file.')
  controls.setQuota('-', null)
  await press(page, 'Retry clip.txt')
  await says(page, 'clip.txt', 'Stored as clip.txt')
})
