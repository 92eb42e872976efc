import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { get, type IncomingMessage } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { startHarness } from '../support/harness.ts'

/** What `fetch` does not show: the body as it was sent. */
async function asSent(url: string, acceptEncoding: string) {
  const request = get(url, { agent: false, headers: { 'accept-encoding': acceptEncoding } })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  return { headers: response.headers, body: await buffer(response) }
}

describe.each([
  ['/openapi.json', 'openapi.json', 'application/json'],
  ['/docs', 'reference.html', 'text/html; charset=UTF-8'],
  ['/docs/reference.css', 'reference.css', 'text/css'],
])('docs: %s', (path, file, type) => {
  const published = () => readFile(new URL(`../../openapi/${file}`, import.meta.url), 'utf8')

  async function startDocs() {
    const { request } = await startHarness()
    return (headers: Record<string, string> = {}, method = 'GET') =>
      request(method, path, { as: null, headers })
  }

  test(`is the committed ${file}`, async () => {
    const ask = await startDocs()
    for (const encoding of ['identity', 'gzip']) {
      const response = await ask({ 'accept-encoding': encoding })
      expect([response.status, response.headers.get('content-type')]).toEqual([200, type])
      expect(await response.text()).toBe(await published())
    }
  })

  test('is compressed for clients that accept gzip', async () => {
    const { gateway } = await startHarness()
    const whole = Buffer.from(await published())
    const plain = await asSent(gateway.url + path, 'identity')
    expect(plain.headers['content-encoding']).toBeUndefined()
    expect(plain.headers.vary).toBe('Accept-Encoding')
    expect(plain.body.equals(whole)).toBe(true)
    const { headers, body } = await asSent(gateway.url + path, 'gzip;q=0.8, identity;q=0.5')
    expect([headers['content-encoding'], headers.vary]).toEqual(['gzip', 'Accept-Encoding'])
    expect(gunzipSync(body).equals(whole)).toBe(true)
    expect(body.length).toBeLessThan(whole.length / 2)
  })

  test('returns 304 without a body when the client has it', async () => {
    const ask = await startDocs()
    const tag = (await ask()).headers.get('etag') ?? ''
    expect(tag).toMatch(/^W\/"[\w-]{43}"$/)
    for (const known of [tag, `"another", ${tag}`, '*']) {
      const response = await ask({ 'if-none-match': known })
      expect([response.status, await response.text()]).toEqual([304, ''])
      const { headers } = response
      expect(headers.get('etag')).toBe(tag)
      expect(headers.get('cache-control')).toBe('public, max-age=300')
      expect(headers.get('vary')).toBe('Accept-Encoding')
      expect(headers.get('x-request-id')).toBeTruthy()
      expect(headers.get('x-content-type-options')).toBe('nosniff')
    }
    expect((await ask({ 'if-none-match': '"another"' })).status).toBe(200)
  })

  test('has the same headers for HEAD as for GET', async () => {
    const ask = await startDocs()
    const head = await ask({ 'accept-encoding': 'gzip' }, 'HEAD')
    expect([head.status, await head.text()]).toEqual([200, ''])
    const answer = await ask({ 'accept-encoding': 'gzip' })
    for (const name of ['content-type', 'content-encoding', 'etag', 'cache-control', 'vary']) {
      expect([name, head.headers.get(name)]).toEqual([name, answer.headers.get(name)])
    }
  })
})

test('/docs: the page loads resources only from the gateway', async () => {
  const harness = await startHarness()
  const html = await (await harness.request('GET', '/docs', { as: null })).text()
  expect(html).not.toMatch(/<script|<img|<iframe|<form|style=|\son\w+=/)
  const links = [...html.matchAll(/<link [^>]*href="([^"]+)"/g)].map(([, link]) => link ?? '')
  expect(links).toEqual(['docs/reference.css', 'data:,'])
})

test('/docs: the content security policy allows no other origin and no script', async () => {
  const harness = await startHarness()
  const page = await harness.request('GET', '/docs', { as: null })
  expect(page.headers.get('content-security-policy')?.split('; ').sort()).toEqual([
    "base-uri 'none'",
    "default-src 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    'img-src data:',
    "style-src 'self'",
  ])
})

test.each(['/docs/', '/docs/reference.html', '/docs/openapi.json', '/docs/generate.ts'])(
  'docs: %s returns 404',
  async (path) => {
    const harness = await startHarness()
    expect((await harness.request('GET', path, { as: null })).status).toBe(404)
  },
)
