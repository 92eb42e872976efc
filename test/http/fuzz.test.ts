import { Agent, request as httpRequest } from 'node:http'
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { checkDeclared } from '../support/declared-responses.ts'
import {
  checkAnswer,
  checkSmhCall,
  pathOf,
  permittedCalls,
  userOf,
} from '../support/fuzz-oracle.ts'
import { type FuzzRequest, fuzzRequests } from '../support/fuzz-requests.ts'
import { ann, bob, startHarness } from '../support/harness.ts'

/** A few hundred in `npm test`. `npm run test:fuzz` takes minutes and prints the statuses. */
const runs = Number(process.env.FUZZ_RUNS ?? 400)
const seed = process.env.FUZZ_SEED ? { seed: Number(process.env.FUZZ_SEED) } : {}

test('fuzz: every response and every call to SMH conforms to the published document', {
  timeout: 60_000 + runs * 100,
}, async () => {
  const environment = { RATE_LIMIT_PER_MINUTE: '0', UPLOAD_MAX_OPEN: '0' }
  const harness = await startHarness({ environment })
  const { controls, libraryId, librarySecret } = harness.emulator
  const underWay = await harness.uploadParts('under-way.bin', [new Uint8Array(3)])
  const done = await harness.uploadParts('done.bin', [new Uint8Array(3)])
  await harness.complete(done)
  const tokens = new Set(harness.smhCalls().map(({ query }) => query.access_token ?? librarySecret))
  const secrets = [librarySecret, ...tokens]
  const world = { confirmKeys: [underWay.confirmKey, done.confirmKey] }
  const authorization = {
    owner: [`Bearer ${await harness.issuer.token(ann)}`],
    other: [`Bearer ${await harness.issuer.token(bob)}`],
    forged: [`Bearer ${await harness.issuer.forgedToken(ann)}`],
    anonymous: [],
  }
  const send = startSender(harness.gateway.url)
  const counts: Record<number, number> = {}
  let askedSmh = 0

  await fc.assert(
    fc.asyncProperty(fuzzRequests(world), async (request) => {
      controls.clearCalls()
      const answer = await send(request, authorization[request.as])
      counts[answer.status] = (counts[answer.status] ?? 0) + 1
      await checkAnswer(request, answer, secrets)
      if (answer.headers.has('x-request-id')) {
        await checkDeclared(request.method, pathOf(request.target), answer)
      }
      const calls = harness.smhCalls()
      if (calls.length > 0) askedSmh += 1
      const permitted = permittedCalls(request, world)
      expect(calls.map(({ route }) => route).filter((route) => !permitted.includes(route))).toEqual(
        [],
      )
      for (const call of calls) checkSmhCall(call, userOf(request) ?? '', libraryId)
      expect(Object.keys(Object.prototype)).toEqual([])
    }),
    { numRuns: runs, ...seed },
  )
  // Every file and every open upload is in the folder of the user who began it.
  for (const { path, userId } of [...controls.files(), ...controls.openTasks()]) {
    expect(path.slice(0, 2)).toEqual(['users', userId])
  }
  // A fuzzer whose requests never reach SMH would prove nothing.
  expect(askedSmh).toBeGreaterThan(runs / 10)
  for (const status of [200, 201, 400, 401, 404]) expect(counts).toHaveProperty(String(status))
  if (process.env.FUZZ_RUNS) {
    process.stdout.write(`${runs} requests, ${askedSmh} reached SMH; ${JSON.stringify(counts)}\n`)
  }
})

/** Sends with node:http, which does not normalize targets and headers as fetch does. */
function startSender(url: string) {
  const { hostname, port } = new URL(url)
  const agent = new Agent({ keepAlive: true })
  onTestFinished(() => agent.destroy())
  return ({ method, target, headers, body, chunked }: FuzzRequest, authorization: string[]) =>
    new Promise<Response>((resolve, reject) => {
      const call = httpRequest({ agent, hostname, port, method, path: target })
      for (const value of authorization) call.setHeader('authorization', value)
      for (const [name, value] of headers) call.setHeader(name, value)
      if (chunked && body) call.setHeader('transfer-encoding', 'chunked')
      call.once('error', (error: NodeJS.ErrnoException) => {
        // workerd's parser hangs up on senders of what no address may hold (RFC 3986 §2).
        const parsed = /^[\w!#$%&'()*+,\-./:;=?@[\]~]*$/.test(target)
        if (parsed || error.code !== 'ECONNRESET') reject(error)
        else resolve(new Response(null, { status: 400 }))
      })
      call.once('response', async (incoming) => {
        const chunks: Buffer[] = []
        for await (const chunk of incoming) chunks.push(chunk)
        const { statusCode: status = 0 } = incoming
        const text = [204, 304].includes(status) ? null : Buffer.concat(chunks)
        const received = Object.entries(incoming.headersDistinct) as [string, string[]][]
        const flat = received.flatMap(([name, values]) => values.map((value) => [name, value]))
        resolve(new Response(text, { status, headers: flat as [string, string][] }))
      })
      if (body) call.setHeader('content-length', body.length)
      if (chunked) call.removeHeader('content-length')
      call.end(body)
    })
}
