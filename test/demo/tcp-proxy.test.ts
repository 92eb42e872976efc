import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { startTcpProxy } from '../../src/demo/tcp-proxy.ts'

/** A proxy to a server that responds to every request except `/never`. */
async function aProxy() {
  const far = createServer((request, response) => {
    if (request.url !== '/never') request.pipe(response)
  })
  await new Promise<void>((resolve) => far.listen(0, '127.0.0.1', resolve))
  const proxy = await startTcpProxy(`http://127.0.0.1:${(far.address() as AddressInfo).port}`)
  onTestFinished(async () => {
    await proxy.close()
    far.closeAllConnections()
    far.close()
  })
  return { proxy, far }
}

test('forwards request and response bodies unchanged', async () => {
  const { proxy } = await aProxy()
  const body = 'ä'.repeat(1_000_000)
  const reply = await fetch(proxy.url, { method: 'POST', body })
  expect((await reply.text()) === body).toBe(true)
})

test('cut(true) breaks open connections and refuses new ones until cut(false)', async () => {
  const { proxy, far } = await aProxy()
  const underWay = fetch(`${proxy.url}/never`)
  underWay.catch(() => {})
  await once(far, 'request')
  proxy.cut(true)
  await expect(underWay).rejects.toThrow()
  await expect(fetch(proxy.url)).rejects.toThrow()
  proxy.cut(false)
  expect((await fetch(proxy.url)).status).toBe(200)
})

test('close breaks open connections and does not wait for them', async () => {
  const { proxy, far } = await aProxy()
  const underWay = fetch(`${proxy.url}/never`)
  underWay.catch(() => {})
  await once(far, 'request')
  await proxy.close()
  await expect(underWay).rejects.toThrow()
})

test('breaks the connection when the server is not reachable', async () => {
  const { proxy, far } = await aProxy()
  far.closeAllConnections()
  await new Promise((resolve) => far.close(resolve))
  await expect(fetch(proxy.url)).rejects.toThrow()
})
