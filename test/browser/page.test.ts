import { expect, test } from 'vitest'
import {
  chooseFile,
  dashboard,
  PART_BYTES,
  press,
  says,
  startBrowserBench,
  uploadFile,
} from '../support/browser.ts'
import { someBytes } from '../support/gateway.ts'
import { offSite, watchTraffic } from '../support/watch-traffic.ts'

test('a picture is shown before it goes up, and the policy is kept to', async () => {
  const { page, visitDemo } = await startBrowserBench()
  const traffic = watchTraffic(page)
  await visitDemo()
  const png = await page.evaluate(async () => {
    const canvas = new OffscreenCanvas(20, 20)
    canvas.getContext('2d')!.fillRect(0, 0, 10, 10)
    const picture = await canvas.convertToBlob()
    return [...new Uint8Array(await picture.arrayBuffer())]
  })
  await chooseFile(page, 'square.png', new Uint8Array(png))
  await dashboard(page).locator('img[src^="blob:"]').waitFor()
  await press(page, /^Upload 1 file/)
  await says(page, 'Stored as square.png.')
  expect(traffic.written).toEqual([])
  expect(
    offSite((await traffic.exchanges()).filter(({ url }) => !url.startsWith('blob:'))),
  ).toEqual([])
})

test('two files of one name are two files', async () => {
  const { page, ann, controls, visitDemo } = await startBrowserBench()
  await visitDemo()
  await uploadFile(page, 'note.txt', someBytes(3))
  await says(page, 'Stored as note.txt.')
  await press(page, 'Done')
  await uploadFile(page, 'note.txt', someBytes(4))
  await says(page, 'Stored as note (1).txt.')
  const paths = controls.files().map(({ path }) => path.join('/'))
  expect(paths).toEqual([`users/${ann}/note.txt`, `users/${ann}/note (1).txt`])
})

test('what an earlier run of the demo left in the browser is forgotten', async () => {
  const { page, visitDemo } = await startBrowserBench()
  await visitDemo()
  await chooseFile(page, 'clip.mp4', someBytes(PART_BYTES))
  await says(page, '1 file chosen.')
  // As if it had been for other users.
  await page.evaluate(() => localStorage.setItem('users', 'demo-000000,demo-000001'))
  await page.evaluate(() => localStorage.setItem('stored:demo-000000', '{}'))
  await page.reload()
  await says(page, 'Nothing is under way.')
  expect(await page.evaluate(() => Object.keys(localStorage))).toEqual(['users'])
})

test('a page that outlives its demo tells so', async () => {
  const { page, demo, visitDemo } = await startBrowserBench()
  await visitDemo()
  await demo.close()
  await page.getByRole('alert').filter({ hasText: 'Start it again: npm run demo' }).waitFor()
})
