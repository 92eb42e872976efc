import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import { chromium, type Page } from 'playwright-core'
import { expect, inject, onTestFinished, test } from 'vitest'
import { listen } from '../../src/demo/listen.ts'
import { fileOnDisk } from '../support/browser.ts'
import { bundleForBrowsers } from '../support/bundle-browser.ts'
import { ann, type Harness, someBytes, startHarness } from '../support/harness.ts'
import { sentNumbers, storedBytes } from '../support/upload-client.ts'

type Client = typeof import('../../src/client/index.ts')

interface Result {
  states: string[]
  stored?: string
  code?: string
  message?: string
}

const entry = fileURLToPath(new URL('../../src/client/index.ts', import.meta.url))

const html = `<!doctype html><link rel="icon" href="data:,"><input type="file">
<script type="module">globalThis.uploader = await import('/client.js')</script>`

/** Serves a page on its own origin that has only the client. */
async function startPage() {
  const { text } = await bundleForBrowsers(entry)
  const server = createServer((request, response) => {
    const isScript = request.url === '/client.js'
    response.setHeader('Content-Type', isScript ? 'text/javascript' : 'text/html')
    response.end(isScript ? text : html)
  })
  const url = await listen(server, 0)
  const browser = await chromium.connect(inject('browserEndpoint'))
  onTestFinished(async () => {
    await browser.close()
    server.closeAllConnections()
    server.close()
  })
  const page = await browser.newPage()
  await open(page, url)
  return { page, url, origin: new URL(url).origin }
}

async function open(page: Page, url: string) {
  await page.goto(url)
  await page.waitForFunction(() => 'uploader' in globalThis)
}

/** Uploads a small file from the page. Returns the result. */
async function uploadByPage({ bucketAllows }: { bucketAllows: (page: string) => string }) {
  const { page, origin } = await startPage()
  const harness = await startHarness({
    environment: { CORS_ORIGINS: origin },
    emulator: { corsOrigins: [bucketAllows(origin)] },
  })
  const result = await page.evaluate(
    async ({ gateway, token }) => {
      const { createUploadClient } = (globalThis as unknown as { uploader: Client }).uploader
      const states: string[] = []
      const client = createUploadClient({
        gateway,
        getToken: () => token,
        cosScheme: 'http',
        retry: { firstDelayMs: 1 },
      })
      const upload = client.upload(new Blob(['hello']), {
        path: 'a.txt',
        onState: ({ name }) => states.push(name),
      })
      return upload.done.then(
        ({ name }): Result => ({ states, stored: name }),
        ({ code, message }): Result => ({ states, code, message }),
      )
    },
    { gateway: harness.gateway.url, token: await harness.issuer.token(ann) },
  )
  return { result, origin, harness }
}

test('client in a page: without a CORS rule of the bucket an upload fails with blocked', async () => {
  const { result, origin, harness } = await uploadByPage({
    bucketAllows: () => 'https://other.example.com',
  })
  expect(result.code).toBe('blocked')
  expect(result.message).toContain(`Requests to ${new URL(harness.emulator.cosUrl).host} fail`)
  expect(result.message).toContain(`does not allow PUT from ${origin},`)
  expect(result.states.at(-1)).toBe('failed')
  const parts = harness.emulator.controls.calls().filter(({ route }) => route === 'put-part')
  expect(parts).toEqual([])
})

test('client in a page: with a CORS rule of the bucket an upload is stored', async () => {
  const { result } = await uploadByPage({ bucketAllows: (page) => page })
  expect(result).toEqual({
    stored: 'a.txt',
    states: ['preparing', 'uploading', 'completing', 'stored'],
  })
})

/** Uploads or resumes the chosen file. Resolves when it is stored, or at half with `untilHalf`. */
async function uploadChosen(page: Page, harness: Harness, untilHalf: boolean): Promise<void> {
  await page.evaluate(
    async ({ gateway, token, untilHalf }) => {
      const { createUploadClient } = (globalThis as unknown as { uploader: Client }).uploader
      const file = document.querySelector('input')!.files![0]!
      const client = createUploadClient({ gateway, getToken: () => token, cosScheme: 'http' })
      const key = localStorage.getItem('key')
      await new Promise<unknown>((resolve, reject) => {
        const upload = key
          ? client.resume(key, file)
          : client.upload(file, {
              path: 'clip.mp4',
              onConfirmKey: (key) => localStorage.setItem('key', key),
              onProgress({ sentBytes, totalBytes }) {
                if (untilHalf && sentBytes >= totalBytes / 2) resolve(undefined)
              },
            })
        upload.done.then(resolve, reject)
      })
    },
    { gateway: harness.gateway.url, token: await harness.issuer.token(ann), untilHalf },
  )
}

test('client in a page: a reload at half of 50 MB sends less than half of the parts again', {
  timeout: 300_000,
}, async () => {
  const { page, url, origin } = await startPage()
  const harness = await startHarness({ environment: { CORS_ORIGINS: origin } })
  const content = someBytes(50_000_000)
  const file = await fileOnDisk('clip.mp4', content)
  await page.locator('input').setInputFiles(file)
  await uploadChosen(page, harness, true)
  await open(page, url)
  const [task] = harness.emulator.controls.openTasks()
  const arrived = task?.parts.map(({ number }) => number) ?? []
  expect(arrived.length).toBeGreaterThanOrEqual(48 / 4)

  harness.emulator.controls.clearCalls()
  await page.locator('input').setInputFiles(file)
  await uploadChosen(page, harness, false)
  const later = sentNumbers(harness)
  expect(later.filter((number) => arrived.includes(number))).toEqual([])
  expect(later.length).toBeLessThanOrEqual(48 - arrived.length)
  expect((await storedBytes(harness, 'clip.mp4')).equals(Buffer.from(content))).toBe(true)
})
