import { constants } from 'node:os'
import { inspect, parseArgs } from 'node:util'
import { runCampaign } from './campaign.ts'
import type { CampaignOptions } from './plan.ts'
import { reportOf } from './report.ts'

const HELP = `Uploads through two gateways on one Redis while failures happen, then checks that every response was true.
Without redis-server each gateway has a ledger of its own.

Usage: npm run campaign [-- --seed N --uploads N --users N]

  --seed      determines the plan; default: random
  --uploads   default: 300
  --users     default: 6

Prints a table of what happened, then each violation. 300 uploads take about two minutes.
Exit status 0: no upload was lost, stored twice or begun twice, no user reached another's, and Redis held
no secret. The seed determines the order of events only roughly.
`

const options = readCommandLine()
const stop = new AbortController()
let signalStatus = 0
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    signalStatus = 128 + constants.signals[signal]
    stop.abort()
  })
}

try {
  const campaign = await runCampaign(options, { signal: stop.signal, onProgress: showProgress })
  clearProgress()
  process.stdout.write(reportOf(options, campaign))
  process.exit(campaign.verdict.violations.length === 0 ? 0 : 1)
} catch (error) {
  clearProgress()
  if (stop.signal.aborted) process.exit(signalStatus)
  process.stderr.write(
    `The campaign (seed ${options.seed}) failed: ${inspect(error, { depth: 6 })}\n`,
  )
  process.exit(1)
}

function showProgress(ended: number): void {
  if (process.stdout.isTTY) process.stdout.write(`\r${ended} of ${options.uploads} uploads `)
}

function clearProgress(): void {
  if (process.stdout.isTTY) process.stdout.write('\r\u001b[K')
}

function readCommandLine(): CampaignOptions {
  try {
    const { values } = parseArgs({
      options: {
        seed: { type: 'string', default: String(Date.now() % 1_000_000) },
        uploads: { type: 'string', default: '300' },
        users: { type: 'string', default: '6' },
        help: { type: 'boolean', short: 'h' },
      },
    })
    if (values.help) {
      process.stdout.write(HELP)
      process.exit(0)
    }
    return {
      seed: wholeNumber('seed', values.seed, 0),
      uploads: wholeNumber('uploads', values.uploads, 1),
      users: wholeNumber('users', values.users, 1),
    }
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\nSee --help.\n`)
    process.exit(2)
  }
}

function wholeNumber(name: string, text: string, least: number): number {
  const value = Number(text)
  if (/^\d{1,9}$/.test(text) && value >= least) return value
  throw new Error(`--${name} must be a whole number, at least ${least}.`)
}
