import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { sendByNode } from '../../src/client/send-by-node.ts'
import { MiB, someBytes, startHarness } from '../support/harness.ts'
import { storedBytes, uploadClient } from '../support/upload-client.ts'

const send = sendByNode()!

const part = (url: string, bytes: number, signal = new AbortController().signal) => ({
  url,
  headers: { 'x-smh-test': 'a' },
  body: new Blob([someBytes(bytes)]),
  signal,
  onSent: () => {},
})

/** A server that responds with what it has received: after the body or, if `hasty`, at once. */
async function startServer({ hasty = false } = {}): Promise<string> {
  const server = createServer((request, response) => {
    let bytes = 0
    function answer() {
      response.writeHead(hasty ? 403 : 200, { 'X-Answer': 'yes' })
      response.end(JSON.stringify({ ...request.headers, method: request.method, bytes }))
    }
    if (hasty) answer()
    else request.on('data', ({ length }) => (bytes += length)).on('end', answer)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

describe('sendByNode', () => {
  test('sends the whole part with its length', async () => {
    const reply = await send(part(await startServer(), 3 * MiB))
    expect(reply.status).toBe(200)
    expect(reply.header('x-answer')).toBe('yes')
    expect(reply.header('x-cos-hash-crc64ecma')).toBeNull()
    const had = { method: 'PUT', 'content-length': `${3 * MiB}`, 'x-smh-test': 'a', bytes: 3 * MiB }
    expect(JSON.parse(reply.text)).toMatchObject(had)
  })

  test('reports progress', async () => {
    const harness = await startHarness()
    const content = someBytes(4 * MiB)
    const client = uploadClient(harness, { partSize: 2 * MiB, partsInParallel: 1 })
    const seen: number[] = []
    const onProgress = ({ sentBytes }: { sentBytes: number }) => seen.push(sentBytes)
    const pieces = Array.from({ length: 64 }, (_, index) =>
      content.slice(index << 16, (index + 1) << 16),
    )
    await client.upload(new Blob(pieces), { path: 'a.bin', onProgress }).done
    expect(seen).toEqual(seen.toSorted((one, other) => one - other))
    expect(seen.filter((bytes) => bytes % (2 * MiB) !== 0).length).toBeGreaterThan(8)
    expect(seen.at(-1)).toBe(4 * MiB)
    expect((await storedBytes(harness, 'a.bin')).equals(content)).toBe(true)
  })

  test('returns a response that arrives before the end of the body', async () => {
    const reply = await send(part(await startServer({ hasty: true }), 16 * MiB))
    expect(reply.status).toBe(403)
    expect(JSON.parse(reply.text)).toMatchObject({ bytes: 0 })
  })

  test('reads an endless response only to the limit', async () => {
    const server = createServer((_request, response) => {
      response.writeHead(503)
      const more = () => {
        while (response.write(' '.repeat(65_536))) {}
      }
      response.on('drain', more)
      more()
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    onTestFinished(() => {
      server.close()
      server.closeAllConnections()
    })
    const ended = new Promise((resolve) =>
      server.once('connection', (socket) => socket.once('close', resolve)),
    )
    const { port } = server.address() as AddressInfo
    const reply = await send(part(`http://127.0.0.1:${port}/`, 1))
    expect(reply.status).toBe(503)
    expect(reply.text.length).toBeLessThan(MiB)
    await ended
  })

  test('rejects when the network fails', async () => {
    const { emulator } = await startHarness()
    emulator.controls.force('put-part', { drop: 'before' })
    const url = `${emulator.cosUrl}/none?uploadId=1&partNumber=1`
    await expect(send(part(url, MiB))).rejects.toThrow()
  })

  test('rejects when the signal is aborted', async () => {
    const url = await startServer()
    const before = AbortSignal.abort()
    await expect(send(part(url, MiB, before))).rejects.toThrow(/abort/i)
    const meanwhile = new AbortController()
    const sent = send({ ...part(url, 16 * MiB, meanwhile.signal), onSent: () => meanwhile.abort() })
    await expect(sent).rejects.toThrow(/abort/i)
  })

  test('is undefined on other runtimes', () => {
    onTestFinished(() => {
      vi.unstubAllGlobals()
    })
    vi.stubGlobal('process', undefined)
    expect(sendByNode()).toBeUndefined()
  })
})
