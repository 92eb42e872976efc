import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'
import { expect, inject, onTestFinished, test } from 'vitest'
import { listen } from '../../src/demo/listen.ts'
import { bundleForBrowsers } from '../support/bundle-browser.ts'
import { ann, MiB, someBytes, startHarness } from '../support/harness.ts'

const entry = fileURLToPath(new URL('../support/dashboard-page.ts', import.meta.url))

const html = `<!doctype html><title>Dashboard</title><link rel="icon" href="data:,">
<script type="module" src="/app.js"></script>`

/** Serves a page with only the Dashboard. Returns its URL. */
async function servePage(): Promise<string> {
  const { text } = await bundleForBrowsers(entry)
  const server = createServer((request, response) => {
    const isScript = request.url === '/app.js'
    response.setHeader('Content-Type', isScript ? 'text/javascript' : 'text/html')
    response.end(isScript ? text : html)
  })
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return listen(server, 0)
}

test("Uppy's Dashboard pauses, resumes and completes an upload with the plugin", async () => {
  const origin = await servePage()
  const { gateway, emulator, issuer } = await startHarness({
    environment: { CORS_ORIGINS: origin },
    emulator: { corsOrigins: [origin] },
  })
  const { controls } = emulator
  const browser = await chromium.connect(inject('browserEndpoint'))
  onTestFinished(() => browser.close())
  const page = await browser.newPage()
  const options = new URLSearchParams({ gateway: gateway.url, token: await issuer.token(ann) })
  await page.goto(`${origin}/#${options}`)
  const partsReceived = () =>
    controls
      .calls()
      .filter(({ route, status }) => route === 'put-part' && status === 200)
      .map(({ query }) => query.partNumber)
  const hold = controls.hold('put-part', {
    times: Number.POSITIVE_INFINITY,
    match: ({ query }) => Number(query.partNumber) > 3,
  })

  await page
    .locator('.uppy-Dashboard-input')
    .first()
    .setInputFiles({
      name: 'clip.mp4',
      mimeType: 'video/mp4',
      buffer: Buffer.from(someBytes(5 * MiB)),
    })
  await page.getByRole('button', { name: 'Upload 1 file' }).click()
  await expect.poll(() => partsReceived().toSorted()).toEqual(['1', '2', '3'])
  await page.getByRole('button', { name: 'Pause', exact: true }).click()
  await page.getByText(/^Paused/).waitFor()
  hold.release()
  await page.getByRole('button', { name: 'Resume', exact: true }).click()
  await page.getByText('Complete', { exact: true }).waitFor()
  expect(controls.files()).toMatchObject([{ path: ['users', ann.sub, 'clip.mp4'], size: 5 * MiB }])
  expect(controls.openTasks()).toEqual([])
})
