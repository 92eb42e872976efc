import { expect, test } from 'vitest'
import { press, says, startBrowserHarness, uploadFile, visit } from '../support/browser.ts'
import { MiB, someBytes } from '../support/harness.ts'
import { offSite, watchTraffic } from '../support/watch-traffic.ts'

test('secrets: the browser sees no secret, no SMH token and no data of other users', async () => {
  const harness = await startBrowserHarness()
  const { demo, page, controls, newProfile } = harness
  // Another user has uploaded before.
  await harness.visitDemo()
  await page.getByRole('radio', { name: 'Boris' }).check()
  await uploadFile(page, 'of-another-user.txt', someBytes(3))
  await says(page, 'of-another-user.txt', 'Stored as of-another-user.txt')

  const watched = await newProfile()
  const traffic = await watchTraffic(watched)
  await visit(watched, demo.pageUrl)
  const release = harness.holdPartsAfter(10)
  await uploadFile(watched, 'clip.mp4', someBytes(20 * MiB))
  await expect.poll(harness.partsReceived).toHaveLength(10)
  await press(watched, 'Pause clip.mp4')
  release()
  await press(watched, 'Resume clip.mp4')
  await says(watched, 'clip.mp4', 'Stored as clip.mp4')

  const calls = controls.calls().filter(({ host }) => host === 'smh')
  const tokens = new Set(calls.flatMap(({ query }) => query.access_token ?? []))
  const smhKeys = new Set(calls.flatMap(({ path }) => path.match(/[0-9a-f]{64}$/) ?? []))
  expect(tokens.size).toBeGreaterThan(0)
  expect(smhKeys.size).toBe(2)
  const secrets = [demo.emulator.librarySecret, ...tokens, ...smhKeys]
  const others = [harness.boris, 'of-another-user']

  const exchanges = await traffic.exchanges()
  const sent = (method: string, url: string) =>
    exchanges.filter((each) => each.method === method && each.url.startsWith(url))
  // The record contains the headers and bodies of the whole run.
  const parts = sent('PUT', demo.emulator.cosUrl).map(({ url }) => new URL(url).search)
  expect(new Set(parts).size).toBe(20)
  const gatewayCalls = sent('POST', `${demo.gatewayUrl}/v1/`)
  expect(gatewayCalls.map(({ url }) => url.split('/').at(-1))).toEqual([
    'instant-uploads',
    'complete',
  ])
  expect(gatewayCalls[0]?.all).toMatch(/Bearer .*clip\.mp4.*"confirmKey":"1\./s)

  for (const { url, all } of exchanges) {
    // The demo's own list of users.
    const hidden = url.endsWith('/settings.json') ? secrets : [...secrets, ...others]
    expect([url, hidden.filter((text) => all.includes(text))]).toEqual([url, []])
  }
  expect(offSite(exchanges)).toEqual([])
  expect(traffic.written).toEqual([])

  // The browser keeps the confirm key for a reload, but no credentials.
  const kept = JSON.stringify(await watched.context().storageState({ indexedDB: true }))
  const credentials = exchanges.flatMap(({ all }) => all.match(/(?:Bearer |q-signature=)[\w.-]+/g))
  expect(new Set(credentials).size).toBeGreaterThan(2)
  expect(kept).toContain('clip.mp4')
  const texts = [...secrets, ...credentials.flatMap((text) => text?.split(/[ =]/)[1] ?? [])]
  expect(texts.filter((text) => kept.includes(text))).toEqual([])
})
