import { expect, test } from 'vitest'
import { environmentOf } from '../../src/demo/environment.ts'
import { FILE_NAME, SAID_BY_SMH, takeTour } from '../support/canary-tour.ts'
import { type Harness, startHarness } from '../support/harness.ts'
import { type LaunchedGateway, onWorkers } from '../support/launch.ts'
import { run } from '../support/process.ts'

const librarySecret = 'canary-library-secret'
const confirmSecret = 'canary-confirm-key-secret-of-32-bytes'
const environment = {
  CONFIRM_KEY_SECRETS: confirmSecret,
  RATE_LIMIT_PER_MINUTE: '0',
  UPSTREAM_TIMEOUT_SECONDS: '1',
}

/** Every documented status except those of internal errors and of overload. */
const statuses = [
  ...[200, 201, 204, 400, 401, 404, 403, 405, 409, 413, 415, 422, 431, 451],
  ...[502, 503, 504, 507],
].sort()

const startCanaryHarness = () => startHarness({ environment, emulator: { librarySecret } })

/** Takes the tour and gives all of every answer, by its status. */
async function answersOf(harness: Harness, on: LaunchedGateway) {
  const answers: { status: number; all: string }[] = []
  await takeTour(harness, on, async (response) => {
    const all = JSON.stringify([...response.headers]) + (await response.text())
    answers.push({ status: response.status, all })
  })
  return answers
}

/** What only SMH and the gateway may know, as it really went over the wire. */
function secretsOf(harness: Harness): string[] {
  const calls = harness.smhCalls()
  const tokens = new Set(calls.map(({ query }) => query.access_token ?? ''))
  const smhKeys = new Set(calls.flatMap(({ path }) => path.match(/[0-9a-f]{64}$/) ?? []))
  tokens.delete('')
  // Without these the search would find no leak.
  expect(tokens.size).toBeGreaterThan(3)
  expect(smhKeys.size).toBeGreaterThan(50)
  expect(calls.some(({ query }) => query.library_secret === librarySecret)).toBe(true)
  return [librarySecret, confirmSecret, SAID_BY_SMH, ...tokens, ...smhKeys]
}

/** What a client may know and a log may not. */
function privateOf(answers: { all: string }[], harness: Harness): string[] {
  const all = answers.map((answer) => answer.all).join('\n')
  const found = [
    ...(all.match(/1\.\w+\.\w+\.r\.[\w-]+\.[\w-]{43}/g) ?? []),
    ...(all.match(/q-signature=[0-9a-f]{40}/g) ?? []),
    ...(all.match(/"x-cos-security-token":"[^"]+"/g) ?? []).map((text) => text.slice(24, -1)),
    ...harness.issued,
  ]
  expect(harness.issued.size).toBeGreaterThan(100)
  expect(found.length).toBeGreaterThan(300)
  return [FILE_NAME, 'access_token', 'library_secret', 'Bearer', ...found]
}

/** Which of `secrets` stand in `text`. */
const foundIn = (text: string, secrets: string[]) =>
  secrets.filter((secret) => text.includes(secret))

/** Looks through every answer and every log record of a gateway in this process. */
async function searchAnswersAndRecords(): Promise<void> {
  const harness = await startCanaryHarness()
  const answers = await answersOf(harness, harness.gateway)
  expect([...new Set(answers.map(({ status }) => status))].sort()).toEqual(statuses)

  const secrets = secretsOf(harness)
  const smh = new URL(harness.emulator.smhUrl).host
  const smhRequestIds = (await harness.records()).flatMap(({ smhRequestId }) => smhRequestId ?? [])
  expect(smhRequestIds.length).toBeGreaterThan(10)
  const hidden = [...secrets, smh, ...smhRequestIds, ...harness.issued]
  for (const { status, all } of answers) {
    expect([status, foundIn(all, hidden)]).toEqual([status, []])
  }
  const records = JSON.stringify(await harness.records())
  expect(foundIn(records, [...secrets, smh, ...privateOf(answers, harness)])).toEqual([])
}

/** Looks through all that the entry, run as an operator runs it, has written. */
async function searchWrittenLines(): Promise<void> {
  const harness = await startCanaryHarness()
  const entry = await (onWorkers ? startWorkerEntry(harness) : startNodeEntry(harness))
  const answers = await answersOf(harness, entry.on)
  const written = await entry.end()
  expect(written.split('\n').length).toBeGreaterThan(answers.length)

  const secrets = [...secretsOf(harness), ...privateOf(answers, harness)]
  expect(foundIn(written, [...secrets, new URL(harness.emulator.smhUrl).host])).toEqual([])
}

// Both wait a good deal for second tries, so they go side by side.
test(
  'secrets: no secret appears in a response, a log record or the output',
  { timeout: 60_000 },
  () => Promise.all([searchAnswersAndRecords(), searchWrittenLines()]),
)

/** The gateway's variables, at its most talkative. */
const variablesOf = (harness: Harness) => ({
  ...environment,
  ...environmentOf(harness),
  LOG_LEVEL: 'debug',
})

/** An entry that runs, and what it has written by its end. */
interface Entry {
  on: LaunchedGateway
  end(): Promise<string>
}

async function startNodeEntry(harness: Harness): Promise<Entry> {
  const running = run('src/gateway/runtimes/node/main.ts', { ...variablesOf(harness), PORT: '0' })
  const listening = await running.line((line) => line.includes('"event":"listening"'))
  return {
    on: { url: JSON.parse(listening).address } as LaunchedGateway,
    async end() {
      running.child.kill('SIGTERM')
      expect(await running.ended).toBe(0)
      return running.output() + running.errors()
    },
  }
}

async function startWorkerEntry(harness: Harness): Promise<Entry> {
  const { startDeployedWorker } = await import('../support/deployed-worker.ts')
  const worker = await startDeployedWorker(variablesOf(harness))
  return {
    on: worker,
    async end() {
      // Lines arrive late: the last one is there when one that was asked for after it is.
      await fetch(`${worker.url}/livez`, { headers: { 'x-request-id': 'last-of-all' } })
      await expect.poll(() => worker.written()).toContain('last-of-all')
      return worker.written()
    },
  }
}
