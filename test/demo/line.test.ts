import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { startLine } from '../../src/demo/line.ts'

/** A line to a server that answers every request but the one for `/never`. */
async function aLine() {
  const far = createServer((request, response) => {
    if (request.url !== '/never') request.pipe(response)
  })
  await new Promise<void>((resolve) => far.listen(0, '127.0.0.1', resolve))
  const line = await startLine(`http://127.0.0.1:${(far.address() as AddressInfo).port}`)
  onTestFinished(async () => {
    await line.close()
    far.closeAllConnections()
    far.close()
  })
  return { line, far }
}

test('what is sent comes back as it is', async () => {
  const { line } = await aLine()
  const body = 'ä'.repeat(1_000_000)
  const reply = await fetch(line.url, { method: 'POST', body })
  expect((await reply.text()) === body).toBe(true)
})

test('cut, it breaks connections in use and takes no others, until it is mended', async () => {
  const { line, far } = await aLine()
  const underWay = fetch(`${line.url}/never`)
  underWay.catch(() => {})
  await once(far, 'request')
  line.cut(true)
  await expect(underWay).rejects.toThrow()
  await expect(fetch(line.url)).rejects.toThrow()
  line.cut(false)
  expect((await fetch(line.url)).status).toBe(200)
})

test('closing waits for nobody', async () => {
  const { line, far } = await aLine()
  const underWay = fetch(`${line.url}/never`)
  underWay.catch(() => {})
  await once(far, 'request')
  await line.close()
  await expect(underWay).rejects.toThrow()
})

test('a server that has gone is a connection that breaks', async () => {
  const { line, far } = await aLine()
  far.closeAllConnections()
  await new Promise((resolve) => far.close(resolve))
  await expect(fetch(line.url)).rejects.toThrow()
})
