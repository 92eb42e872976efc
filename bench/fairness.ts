/**
 * Whether one user can starve the others: how long the begins of users within their share take while all
 * is quiet, and while another one sends fifty times as many as they may. In turns, in one run.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { quantile } from './load.ts'
import { type Paced, pace } from './pace.ts'
import { startServer } from './processes.ts'
import { startStage } from './stage.ts'

const ROUNDS = 6
const SECONDS = 6
/** Begins a second that a user may send: 120 a minute, as it is unless told. */
const SHARE = 2
/** Those who stay within their share: each sends half of it. */
const OTHERS = 20
const FLOOD = 50
/** As much slower as the others may get. */
const LIMIT = 2

const stage = await startStage()
const [flooder = '', ...others] = await stage.tokens(1 + OTHERS)
const server = await startServer(
  new URL('../dist/gateway/runtimes/node/main.js', import.meta.url),
  {
    ...stage.environment,
    RATE_LIMIT_PER_MINUTE: String(SHARE * 60),
  },
)

const own = () => {
  const rate = (OTHERS * SHARE) / 2
  return pace({ url: server.url, tokens: others, rate, seconds: SECONDS })
}
const flooding = fork(fileURLToPath(new URL('./flood.ts', import.meta.url)))
async function flood(): Promise<Paced['statuses']> {
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
await stage.close()

const line = (name: string, times: number[]) =>
  `${name}: ${times.length} begins, p50 ${quantile(times, 0.5).toFixed(2)} ms, p99 ${quantile(times, 0.99).toFixed(2)} ms`
const ratio = quantile(flooded, 0.99) / quantile(quiet, 0.99)
console.log(line('quiet', quiet))
console.log(line(`while another sends ${FLOOD} times their share`, flooded))
console.log(`the other's answers by status: ${JSON.stringify(answers)}`)
console.log(`p99 grew by ${ratio.toFixed(2)}, ${LIMIT} is the limit`)
process.exitCode = ratio <= LIMIT ? 0 : 1
