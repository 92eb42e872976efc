import assert from 'node:assert/strict'

/** The fields of a begin's response, of the gateway and of every server with the same duties. */
const FIELDS = ['confirmKey', 'domain', 'headers', 'path', 'uploadId']
const HEADERS = [
  'location',
  'upload-expires',
  'x-request-id',
  'x-content-type-options',
  'cache-control',
]

/**
 * Checks that a server has the duties that the comparison is about: it returns the named fields, and refuses bad
 * requests.
 *
 * @throws AssertionError, which names the server
 */
export async function checkDuties(name: string, url: string, token: string): Promise<void> {
  async function begin(body: string, headers: Record<string, string> = {}) {
    const init = {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
      body,
    }
    return await fetch(`${url}/v1/uploads`, init)
  }
  const wanted = { path: 'holiday/clip.mp4', size: 2_097_162 }
  const begun = await begin(JSON.stringify(wanted), { 'x-smh-meta-origin': 'camera' })
  assert.equal(begun.status, 201, name)
  assert.deepEqual(Object.keys((await begun.json()) as object).sort(), FIELDS, name)
  for (const header of HEADERS) assert.ok(begun.headers.has(header), `${name} sends ${header}`)

  const refusals: [expected: number, body: string, headers?: Record<string, string>][] = [
    [401, JSON.stringify(wanted), { authorization: '' }],
    [401, JSON.stringify(wanted), { authorization: `Bearer ${token.slice(0, -4)}AAAA` }],
    [400, '{"path":'],
    [400, JSON.stringify({ path: 1, size: 1 })],
    [400, JSON.stringify({ ...wanted, unknown: true })],
    [400, JSON.stringify({ ...wanted, path: 'a/../b' })],
    [400, JSON.stringify({ ...wanted, path: 'a/b|c' })],
    [400, JSON.stringify(wanted), { 'x-smh-meta-+': 'bad name' }],
    [413, JSON.stringify({ ...wanted, size: 2 ** 50 })],
    [413, JSON.stringify({ ...wanted, path: 'x'.repeat(70_000) })],
    [415, JSON.stringify(wanted), { 'content-type': 'text/plain' }],
  ]
  for (const [expected, body, headers] of refusals) {
    const { status } = await begin(body, headers)
    assert.equal(status, expected, `${name}: ${body.slice(0, 60)} ${JSON.stringify(headers ?? {})}`)
  }
}
