import { basename, dirname } from 'node:path'
import { expect, test } from 'vitest'
import {
  fileOnDisk,
  hasTitle,
  kept,
  PART_BYTES,
  press,
  row,
  says,
  startBrowserHarness,
  uploadFile,
  uploadFromDisk,
  visit,
} from '../support/browser.ts'
import { someBytes } from '../support/harness.ts'
import { offSite, watchTraffic } from '../support/watch-traffic.ts'

test('page: shows the preview of a picture without a policy violation', async () => {
  const { page, visitDemo } = await startBrowserHarness()
  const traffic = await watchTraffic(page)
  await visitDemo()
  const png = await page.evaluate(async () => {
    const canvas = new OffscreenCanvas(20, 20)
    canvas.getContext('2d')!.fillRect(0, 0, 10, 10)
    const picture = await canvas.convertToBlob()
    return [...new Uint8Array(await picture.arrayBuffer())]
  })
  await uploadFile(page, 'square.png', new Uint8Array(png))
  const picture = row(page, 'square.png').locator('img')
  const width = () => picture.evaluate((img: HTMLImageElement) => img.naturalWidth)
  await expect.poll(width).toBe(20)
  await says(page, 'square.png', 'Stored as square.png')
  expect(traffic.written).toEqual([])
  expect(
    offSite((await traffic.exchanges()).filter(({ url }) => !url.startsWith('blob:'))),
  ).toEqual([])
})

test('page: shows the extension of a picture that the browser cannot show', async () => {
  const { page, visitDemo } = await startBrowserHarness()
  await visitDemo()
  await uploadFile(page, 'broken.png', new Uint8Array([1, 2, 3]))
  const icon = row(page, 'broken.png').locator('.icon')
  await expect.poll(() => icon.innerHTML()).toBe('PNG')
})

test('page: shows a file as verified, also when the list updates before the upload ends', async () => {
  const { page, visitDemo } = await startBrowserHarness()
  await visitDemo()
  const listed = page.locator('#stored').getByText('clip.mp4')
  await page.route('**/complete', async (route) => {
    const response = await route.fetch()
    await listed.waitFor()
    await route.fulfill({ response })
  })
  await uploadFile(page, 'clip.mp4', someBytes(3))
  await says(page, 'clip.mp4', 'Stored as clip.mp4')
  await page.locator('#stored').getByText('verified').waitFor()
})

test('page: shows two files of the same name with their stored names', async () => {
  const { page, ada, controls, visitDemo } = await startBrowserHarness()
  await visitDemo()
  const file = await fileOnDisk('note.txt', someBytes(3))
  await uploadFromDisk(page, file)
  await says(page, 'note.txt', 'Stored as note.txt')
  // The same file again is another upload.
  await uploadFromDisk(page, file)
  const states = () => row(page, 'note.txt').getByRole('status').allTextContents()
  await expect
    .poll(states)
    .toEqual(['note.txt: Stored as note.txt', 'note.txt: Stored as note (1).txt'])
  await hasTitle(page, '2 files stored')
  const paths = controls.files().map(({ path }) => path.join('/'))
  expect(paths).toEqual([`users/${ada}/note.txt`, `users/${ada}/note (1).txt`])
})

test('page: the title summarizes the states of all files', async () => {
  const harness = await startBrowserHarness()
  const { page } = harness
  await harness.visitDemo()
  const release = harness.holdPartsAfter(1)
  const files = [
    fileOnDisk('one.mp4', someBytes(2 * PART_BYTES)),
    fileOnDisk('two.mp4', someBytes(2 * PART_BYTES + 1)),
  ]
  await uploadFromDisk(page, ...(await Promise.all(files)))
  await hasTitle(page, 'Uploading 2 files')
  await expect.poll(harness.partsReceived).toEqual([1, 1])
  await press(page, 'Pause all')
  await hasTitle(page, '2 files paused')
  release()
  await press(page, 'Resume one.mp4')
  await says(page, 'one.mp4', 'Stored as one.mp4')
  await hasTitle(page, '1 file paused')
  harness.controls.force('put-part', { status: 404, code: 'NoSuchBucket' })
  await press(page, 'Resume two.mp4')
  await hasTitle(page, '1 of 2 files stored, 1 failed')
  await press(page, 'Clear finished')
  await hasTitle(page, '1 file failed')
  await press(page, 'Retry two.mp4')
  await hasTitle(page, '1 file stored')
  await press(page, 'Remove two.mp4')
  await expect.poll(() => page.title()).toBe('Upload gateway for SMH: demo')
})

test('page: shows the state of a file in one place', async () => {
  const { page, visitDemo } = await startBrowserHarness()
  await visitDemo()
  await uploadFile(page, 'a;b?c.txt', someBytes(3))
  await says(page, 'a;b?c.txt', 'Rename the file.')
  await uploadFile(page, 'note.txt', someBytes(3))
  await says(page, 'note.txt', 'Stored as note.txt')
  for (const text of ['Rename the file', 'Stored as note.txt']) {
    const shown = await page.locator('body').innerText()
    expect([text, shown.split(text).length - 1]).toEqual([text, 1])
  }
})

test('page: offers Retry only for errors that a retry can fix', async () => {
  const { page, controls, visitDemo } = await startBrowserHarness()
  await visitDemo()
  const actions = (name: string) => row(page, name).getByRole('button').allTextContents()
  await uploadFile(page, 'a:b.txt', someBytes(3))
  await says(page, 'a:b.txt', 'A name can have at most 255 characters and none of')
  expect(await actions('a:b.txt')).toEqual(['Remove'])
  await uploadFile(page, 'empty.txt', new Uint8Array())
  await says(page, 'empty.txt', 'Stored as empty.txt')
  expect(await actions('empty.txt')).toEqual(['Remove'])
  controls.setQuota('-', 10)
  await uploadFile(page, 'large.txt', someBytes(100))
  await says(page, 'large.txt', 'There is not enough space left for this file.')
  expect(await actions('large.txt')).toEqual(['Retry', 'Remove'])
})

test('page: uploads dropped files and folders with their paths', async () => {
  const { page, ada, controls, visitDemo } = await startBrowserHarness()
  await visitDemo()
  const drop = (type: string) =>
    page.evaluate((type) => {
      const dataTransfer = new DataTransfer()
      dataTransfer.items.add(new File(['abc'], 'dropped.txt'))
      const options = { dataTransfer, bubbles: true, cancelable: true }
      document.querySelector('#drop')!.dispatchEvent(new DragEvent(type, options))
    }, type)
  await drop('dragover')
  await page.getByRole('heading', { name: 'Drop to upload' }).waitFor()
  await drop('drop')
  await says(page, 'dropped.txt', 'Stored as dropped.txt')
  await page.getByRole('heading', { name: 'Drop files here' }).waitFor()

  const file = await fileOnDisk('inside.txt', someBytes(4))
  await page.getByLabel('Choose a folder').setInputFiles(dirname(file))
  const folder = basename(dirname(file))
  const path = `${folder}/inside.txt`
  await hasTitle(page, `${folder}: 1 file stored`)
  const paths = controls.files().map(({ path }) => path.join('/'))
  expect(paths.toSorted()).toEqual([`users/${ada}/dropped.txt`, `users/${ada}/${path}`].toSorted())
})

test('page: uploads a dropped folder with its path', async () => {
  const { page, ada, controls, visitDemo } = await startBrowserHarness()
  await visitDemo()
  // A script cannot drop a folder, so the entries are stand-ins.
  await page.evaluate(() => {
    const file = (fullPath: string) => ({
      isFile: true,
      fullPath,
      file: (resolve: (file: File) => void) => resolve(new File([fullPath], 'x.txt')),
    })
    const gone = {
      ...file('/deep/gone.txt'),
      file: (_: unknown, reject: (error: Error) => void) => reject(new Error('gone')),
    }
    const batches = [[file('/deep/a.txt'), gone], [file('/deep/b.txt')], []]
    const folder = {
      isFile: false,
      fullPath: '/deep',
      createReader: () => ({
        readEntries: (resolve: (entries: object[]) => void) => resolve(batches.shift() ?? []),
      }),
    }
    const dataTransfer = new DataTransfer()
    dataTransfer.items.add(new File(['abc'], 'deep'))
    DataTransferItem.prototype.webkitGetAsEntry = () => folder as never
    const options = { dataTransfer, bubbles: true, cancelable: true }
    document.querySelector('#drop')!.dispatchEvent(new DragEvent('drop', options))
  })
  await hasTitle(page, 'deep: 2 files stored')
  await page.getByText('The browser cannot read deep/gone.txt.').waitFor()
  const paths = controls.files().map(({ path }) => path.join('/'))
  expect(paths.toSorted()).toEqual([`users/${ada}/deep/a.txt`, `users/${ada}/deep/b.txt`])
})

test('page: deletes what an earlier run of the demo has left in the browser', async () => {
  const harness = await startBrowserHarness()
  const { page } = harness
  await harness.visitDemo()
  harness.holdPartsAfter(0)
  await uploadFile(page, 'clip.mp4', someBytes(PART_BYTES))
  await says(page, 'clip.mp4', 'Uploading')
  await expect.poll(async () => (await kept(page)).bytes).toBe(PART_BYTES)
  await page.evaluate(() => {
    localStorage.setItem('run', 'another run')
    localStorage.setItem('stored:ada', '{}')
  })
  await visit(page, page.url())
  await expect.poll(async () => (await kept(page)).bytes).toBe(0)
  expect(await row(page, 'clip.mp4').count()).toBe(0)
  expect(await page.evaluate(() => Object.keys(localStorage))).toEqual(['run'])
})

test('page: shows a notice when its demo has stopped', async () => {
  const { page, demo, visitDemo } = await startBrowserHarness()
  await visitDemo()
  await demo.close()
  await page.getByRole('alert').filter({ hasText: 'Start it again: npm run demo' }).waitFor()
})
