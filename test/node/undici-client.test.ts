import { execFile } from 'node:child_process'
import { createServer, type RequestListener } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { promisify } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import { HttpClientError, MAX_REPLY_BYTES } from '../../src/gateway/http-client.ts'
import { createUndiciClient } from '../../src/gateway/runtimes/node/undici-client.ts'

/** A server that answers as told, and the port to call it by; both end with the test. */
async function serverWith(answer: RequestListener) {
  const server = createServer(answer).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const httpClient = createUndiciClient()
  onTestFinished(async () => {
    server.closeAllConnections()
    server.close()
    await httpClient.close()
  })
  return { url, httpClient }
}

/** The kind of fault that `call` rejects with. */
async function faultOf(call: Promise<unknown>) {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(HttpClientError)
  expect((error as HttpClientError).cause).toBeUndefined()
  expect((error as HttpClientError).message).not.toContain('canary')
  return (error as HttpClientError).kind
}

const canary = '/path?access_token=canary'

describe('undici client', () => {
  test('sends method, headers and body, and returns status, headers and text', async () => {
    const { url, httpClient } = await serverWith(async (request, response) => {
      let body = ''
      for await (const chunk of request) body += chunk
      response.writeHead(418, { 'X-Said': 'yes' })
      response.end(`${request.method} ${request.url} ${request.headers['x-asked']} ${body} 照`)
    })
    const reply = await httpClient.request({
      method: 'PUT',
      url: `${url}/a%2Fb?c=%23`,
      headers: { 'x-asked': 'yes' },
      body: '{"d":"照"}',
      timeoutMs: 5000,
    })
    expect(reply.status).toBe(418)
    expect([reply.header('x-said'), reply.header('x-none')]).toEqual(['yes', undefined])
    expect(reply.text).toBe('PUT /a%2Fb?c=%23 yes {"d":"照"} 照')
  })

  test('sends path and query as they are, without a fragment', async () => {
    const { url, httpClient } = await serverWith((request, response) => response.end(request.url))
    const targetOf = async (rest: string) =>
      (await httpClient.request({ method: 'GET', url: url + rest, timeoutMs: 5000 })).text
    expect(await targetOf('')).toBe('/')
    expect(await targetOf('/keys?a=%2F#b')).toBe('/keys?a=%2F')
    expect(await targetOf('/a/%2e%2e/b')).toBe('/a/%2e%2e/b')
  })

  test('does not follow redirects', async () => {
    let calls = 0
    const { url, httpClient } = await serverWith((_, response) => {
      calls += 1
      response.writeHead(302, { location: '/elsewhere' }).end()
    })
    expect((await httpClient.request({ method: 'GET', url, timeoutMs: 5000 })).status).toBe(302)
    expect(calls).toBe(1)
  })

  test('that no server accepts is connect_failed', async () => {
    const httpClient = createUndiciClient()
    onTestFinished(() => httpClient.close())
    const closed = createTcpServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => closed.once('listening', resolve))
    const { port } = closed.address() as AddressInfo
    await new Promise((resolve) => closed.close(resolve))
    const at = (base: string) =>
      httpClient.request({ method: 'GET', url: base + canary, timeoutMs: 5000 })
    expect(await faultOf(at(`http://127.0.0.1:${port}`))).toBe('connect_failed')
    expect(await faultOf(at('http://name.invalid'))).toBe('connect_failed')
  })

  test('TLS handshake fails: connect_failed', async () => {
    const { url, httpClient } = await serverWith((_, response) => response.end())
    const tls = url.replace('http:', 'https:')
    expect(
      await faultOf(httpClient.request({ method: 'GET', url: tls + canary, timeoutMs: 5000 })),
    ).toBe('connect_failed')
  })

  test('connection breaks: connection_lost', async () => {
    const { url, httpClient } = await serverWith((request) => request.socket.destroy())
    expect(
      await faultOf(httpClient.request({ method: 'GET', url: url + canary, timeoutMs: 5000 })),
    ).toBe('connection_lost')
  })

  test('response breaks off: connection_lost', async () => {
    const { url, httpClient } = await serverWith((_, response) => {
      response.writeHead(200, { 'content-length': '100' })
      response.write('{"half', () => response.destroy())
    })
    expect(
      await faultOf(httpClient.request({ method: 'GET', url: url + canary, timeoutMs: 5000 })),
    ).toBe('connection_lost')
  })

  test.each([
    ['has not begun', () => undefined],
    [
      'never ends',
      (_request, response) => {
        response.writeHead(200)
        response.write('{')
      },
    ],
  ] satisfies [string, RequestListener][])(
    'whose reply %s in time times out',
    async (_, answer) => {
      const { url, httpClient } = await serverWith(answer)
      expect(
        await faultOf(httpClient.request({ method: 'GET', url: url + canary, timeoutMs: 50 })),
      ).toBe('timeout')
    },
  )

  test('stops when its signal aborts, before and after sending', async () => {
    const caller = new AbortController()
    let closed: Promise<unknown> | undefined
    const { url, httpClient } = await serverWith((request) => {
      closed = new Promise((resolve) => request.socket.once('close', resolve))
      caller.abort()
    })
    const call = () =>
      httpClient.request({
        method: 'GET',
        url: url + canary,
        timeoutMs: 5000,
        signal: caller.signal,
      })
    expect(await faultOf(call())).toBe('aborted')
    await closed
    expect(closed).toBeDefined()
    expect(await faultOf(call())).toBe('aborted')
  })

  test('accepts a response of the maximum length, and rejects a longer one', async () => {
    const { url, httpClient } = await serverWith((request, response) => {
      response.end('x'.repeat(Number(request.url?.slice(1))))
    })
    const get = (bytes: number) =>
      httpClient.request({ method: 'GET', url: `${url}/${bytes}`, timeoutMs: 5000 })
    expect((await get(MAX_REPLY_BYTES)).text).toHaveLength(MAX_REPLY_BYTES)
    expect(await faultOf(get(MAX_REPLY_BYTES + 1))).toBe('too_large')
  })
})

test('undici client: without a file descriptor a request fails with no_descriptor', {
  timeout: 30_000,
}, async () => {
  const { url } = await serverWith((_, response) => void response.end())
  const script = 'test/support/exhaust-descriptors.ts'
  const limited = 'ulimit -n 64 && exec "$0" "$@"'
  const args = ['-c', limited, process.execPath, script, url]
  expect((await promisify(execFile)('sh', args)).stdout).toBe('no_descriptor\n')
})
