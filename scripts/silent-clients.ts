/**
 * `npm run test:silent-clients`: measures whether 600 clients without a token that never read their
 * responses slow down or block clients with one. Takes two minutes. Prints latencies without and with the
 * silent clients; exits 1 when a bound does not hold. Needs python3.
 */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { report, startFixture } from './load/fixture.ts'

const CONNECTIONS = 600
const SECONDS = 60
const REQUESTS = 1_000
const BOUND = 3

const fixture = await startFixture()
try {
  const perSecond = REQUESTS / SECONDS
  // Warm-up: the issuer's keys, an SMH token and compiled code.
  await fixture.load({ requests: 200, perSecond: 50 })
  const quiet = await fixture.load({ requests: REQUESTS / 2, perSecond })
  const { hostname, port } = new URL(fixture.url)
  const script = fileURLToPath(new URL('./load/silent-clients.py', import.meta.url))
  const args = [script, hostname, port, String(CONNECTIONS), String(SECONDS)]
  const silent = spawn('python3', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    const lines = createInterface({ input: silent.stdout })[Symbol.asyncIterator]()
    if ((await lines.next()).value !== 'ready')
      throw new Error('The silent clients ended before they were ready.')
    const loaded = await fixture.load({ requests: REQUESTS, perSecond })
    const { value: sent } = await lines.next()
    const notes = [`${CONNECTIONS} silent connections sent ${sent} requests without a token`]
    report(quiet, loaded, { share: 0.99, bound: BOUND, notes })
  } finally {
    silent.kill('SIGKILL')
  }
} finally {
  await fixture.close()
}
