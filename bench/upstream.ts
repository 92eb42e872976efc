import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

/**
 * Responds immediately as SMH does to a mint and a begin, or as S3 does to a begin, and counts the calls. Two
 * names of files make it fail, for the check of the baselines: it never responds for `stall.mp4`, and its response
 * for `bad-reply.mp4` is invalid.
 */
const calls = { mint: 0, begin: 0, stalled: 0, aborted: 0 }
/** The last begin, for the check of the baselines. */
const lastBegin = { url: '', metadata: '', body: '' }
const domain = 'examplebucket-1250000000.cos.ap-guangzhou.myqcloud.com'
const path = '/bench/5f1c2d3e.bin'

const token = JSON.stringify({ accessToken: 'acctk-bench', expiresIn: 86_400 })
const task = JSON.stringify({
  // Servers must not pass on fields that they do not name.
  internal: 'a field for the gateway alone',
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

const s3Task =
  '<?xml version="1.0" encoding="UTF-8"?><InitiateMultipartUploadResult><Bucket>bench</Bucket>' +
  `<Key>clip.mp4</Key><UploadId>${'u'.repeat(64)}</UploadId></InitiateMultipartUploadResult>`
const responses = {
  mint: { status: 200, type: 'application/json', body: token },
  begin: { status: 201, type: 'application/json', body: task },
  badBegin: {
    status: 201,
    type: 'application/json',
    body: task.replace(domain, 'https://example.com/'),
  },
  s3Begin: { status: 200, type: 'application/xml', body: s3Task },
}

function responseTo(url: URL) {
  if (url.pathname === '/api/v1/token') return responses.mint
  if (url.pathname.endsWith('/bad-reply.mp4')) return responses.badBegin
  return url.searchParams.has('uploads') ? responses.s3Begin : responses.begin
}

const server = createServer((request, response) => {
  const url = new URL(request.url ?? '/', 'http://upstream')
  const { status, type, body } = responseTo(url)
  if (body === token) calls.mint += 1
  else {
    calls.begin += 1
    record(request)
  }
  request.resume()
  if (url.pathname.endsWith('/stall.mp4')) {
    calls.stalled += 1
    response.on('close', () => {
      calls.aborted += 1
    })
    return
  }
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) })
  response.end(body)
})

function record(request: IncomingMessage): void {
  lastBegin.url = request.url ?? ''
  lastBegin.metadata = String(request.headers['x-smh-meta-origin'])
  lastBegin.body = ''
  if ((request.headers['content-length'] ?? '0') === '0') return
  request.on('data', (chunk) => {
    lastBegin.body += chunk
  })
}

server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo
  process.send?.({ url: `http://127.0.0.1:${port}` })
})
process.on('message', (asked) => {
  if (asked === 'calls') process.send?.({ ...calls })
  if (asked === 'last-begin') process.send?.({ ...lastBegin })
})
process.on('disconnect', () => process.exit())
