import { expect, test } from 'vitest'
import type { Execution } from '../../src/gateway/ports.ts'
import { type Bindings, createGatewayWorker } from '../../src/gateway/runtimes/worker/handler.ts'

const bindings: Bindings = {
  SMH_LIBRARY_ID: 'library',
  SMH_LIBRARY_SECRET: 'secret',
  JWT_ISSUER: 'https://issuer.test',
  JWT_AUDIENCE: 'uploads',
  UPLOAD_PATH_PREFIX: '/',
  RATE_LIMIT_PER_MINUTE: 0,
}

test('Worker: waitUntil keeps each request running after its client disconnects', async () => {
  const lines: string[] = []
  const worker = createGatewayWorker({ write: (line) => lines.push(line) })
  const awaited: Promise<unknown>[] = []
  const execution: Execution = {
    waitUntil: (work) => awaited.push(work),
    passThroughOnException() {},
    props: {},
  }
  // A caller who has left asks for no answer any more.
  void worker.fetch(new Request('https://gateway.test/livez'), bindings, execution)
  expect(awaited).toHaveLength(1)
  await awaited[0]
  expect(lines.map((line) => JSON.parse(line).operation)).toEqual(['getLiveness'])
})
