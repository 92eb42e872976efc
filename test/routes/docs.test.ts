import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { startBench } from '../support/gateway.ts'

test('/openapi.json is the published contract', async () => {
  const bench = await startBench()
  const response = await bench.request('GET', '/openapi.json', { as: null })
  expect(response.headers.get('content-type')).toBe('application/json')
  const published = await readFile(new URL('../../openapi/openapi.json', import.meta.url), 'utf8')
  expect(await response.json()).toEqual(JSON.parse(published))
})

test('/docs and everything it loads come from the gateway', async () => {
  const bench = await startBench()
  const page = await bench.request('GET', '/docs', { as: null })
  expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=UTF-8'])
  const html = await page.text()
  expect(html).not.toMatch(/https?:|\/\//)
  const links = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, link]) => link ?? '')
  expect(links.length).toBeGreaterThanOrEqual(3)
  for (const link of links) {
    const { pathname } = new URL(link, `${bench.gateway.url}/docs`)
    const asset = await bench.request('GET', pathname, { as: null })
    expect([link, asset.status]).toEqual([link, 200])
    expect((await asset.arrayBuffer()).byteLength).toBeGreaterThan(0)
    const type = { css: 'text/css', js: 'text/javascript', png: 'image/png' }
    expect(asset.headers.get('content-type')).toContain(
      type[link.split('.').at(-1) as keyof typeof type],
    )
  }
})

test('the script that starts it reads the contract from here', async () => {
  const bench = await startBench()
  const script = await (await bench.request('GET', '/docs/start.js', { as: null })).text()
  expect(script).not.toMatch(/https?:|\/\//)
  expect(script).toContain("url: 'openapi.json'")
})

test('a browser is told to load nothing from elsewhere', async () => {
  const bench = await startBench()
  const page = await bench.request('GET', '/docs', { as: null })
  const policy = (page.headers.get('content-security-policy') ?? '').split('; ')
  expect(policy).toContain("default-src 'none'")
  expect(policy).toContain("script-src 'self'")
  expect(policy).toContain("connect-src 'self'")
  expect(policy).toContain("frame-ancestors 'none'")
  expect(policy.join()).not.toMatch(/https?:|\*/)
})
