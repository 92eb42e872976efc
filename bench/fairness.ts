/**
 * `npm run bench:fairness`: measures whether one user can slow down the others. It compares the latency of
 * users below their rate limit, alone and while another user sends fifty times its limit. Both are measured
 * in turns. Takes 90 seconds. Prints both latencies; exits 1 when the p99 more than doubles.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { startFixture } from './fixture.ts'
import { quantile } from './load.ts'
import { type OpenLoopResult, openLoopLoad } from './open-loop-load.ts'
import { startServer } from './processes.ts'

const ROUNDS = 6
const SECONDS = 6
/** Begins per second that one user may send; 120 a minute, the default. */
const SHARE = 2
/** Users below their limit: each sends half of it. */
const OTHERS = 20
const FLOOD = 50
/** Largest allowed growth of the p99, as a factor. */
const LIMIT = 2

const fixture = await startFixture()
const [flooder = '', ...others] = await fixture.tokens(1 + OTHERS)
const server = await startServer(
  new URL('../dist/gateway/runtimes/node/main.js', import.meta.url),
  {
    ...fixture.environment,
    RATE_LIMIT_PER_MINUTE: String(SHARE * 60),
  },
)

const own = () => {
  const rate = (OTHERS * SHARE) / 2
  return openLoopLoad({ url: server.url, tokens: others, rate, seconds: SECONDS })
}
const flooding = fork(fileURLToPath(new URL('./flood-process.ts', import.meta.url)))
async function flood(): Promise<OpenLoopResult['statuses']> {
  flooding.send({ url: server.url, tokens: [flooder], rate: SHARE * FLOOD, seconds: SECONDS })
  const [statuses] = await once(flooding, 'message')
  return statuses
}

const quiet: number[] = []
const flooded: number[] = []
const answers: Record<number, number> = {}
// Warm-up.
await Promise.all([own(), flood()])
for (let round = 1; round <= ROUNDS; round += 1) {
  quiet.push(...(await own()).times)
  const [meanwhile, statuses] = await Promise.all([own(), flood()])
  flooded.push(...meanwhile.times)
  for (const [status, count] of Object.entries(statuses)) {
    answers[Number(status)] = (answers[Number(status)] ?? 0) + count
  }
}
flooding.kill()
await server.close()
await fixture.close()

const line = (name: string, times: number[]) =>
  `${name}: ${times.length} begins, p50 ${quantile(times, 0.5).toFixed(2)} ms, p99 ${quantile(times, 0.99).toFixed(2)} ms`
const ratio = quantile(flooded, 0.99) / quantile(quiet, 0.99)
console.log(line('quiet', quiet))
console.log(line(`while another sends ${FLOOD} times its limit`, flooded))
console.log(`the other's responses by status: ${JSON.stringify(answers)}`)
console.log(`p99 grew by ${ratio.toFixed(2)}, ${LIMIT} is the limit`)
process.exitCode = ratio <= LIMIT ? 0 : 1
