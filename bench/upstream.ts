import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Answers as SMH answers to a mint and a begin, at once, and counts what it is asked. */
const calls = { mint: 0, begin: 0, other: 0 }
const domain = 'examplebucket-1250000000.cos.ap-guangzhou.myqcloud.com'
const path = '/bench/5f1c2d3e.bin'

const token = JSON.stringify({ accessToken: 'acctk-bench', expiresIn: 86_400 })
const task = JSON.stringify({
  domain,
  path,
  uploadId: '160000000000000000000000000000000000000000000000000000000000000',
  headers: {
    'x-amz-date': '20261123T000000Z',
    'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
    authorization: `AWS4-HMAC-SHA256 Credential=${'k'.repeat(40)}, SignedHeaders=host, Signature=${'s'.repeat(64)}`,
  },
  confirmKey: 'c'.repeat(64),
  expiration: '2030-01-01T00:00:00.000Z',
})

const server = createServer((request, response) => {
  const { pathname } = new URL(request.url ?? '/', 'http://upstream')
  const mints = pathname === '/api/v1/token'
  if (mints) calls.mint += 1
  else if (pathname.startsWith('/api/v1/file/')) calls.begin += 1
  else calls.other += 1
  request.resume()
  const body = mints ? token : task
  response.writeHead(mints ? 200 : 201, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
  })
  response.end(body)
})
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo
  process.send?.({ url: `http://127.0.0.1:${port}` })
})
process.on('message', (asked) => {
  if (asked === 'calls') process.send?.({ ...calls })
})
