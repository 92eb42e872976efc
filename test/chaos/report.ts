import type { Campaign } from './campaign.ts'
import type { Attempt } from './ledger.ts'
import type { Blow, CampaignOptions } from './plan.ts'

const STRIKES: Record<Blow['kind'], string> = {
  fault: 'calls to SMH and COS that failed or were late',
  'lost confirm': 'answers to confirms made to be lost',
  kill: 'gateways killed (SIGKILL)',
  stop: 'gateways stopped (SIGTERM)',
  'revoked tokens': 'times that all SMH tokens were revoked',
  'ended credentials': 'times that all COS credentials ended',
  'new issuer key': 'new keys of the issuer',
  'issuer down': 'outages of the issuer',
  'SMH down': 'outages of SMH',
  'new confirm-key secret': 'new confirm-key secrets',
  'corrupt part': 'parts corrupted in COS',
}

type Row = [what: string, count: number | string]

/** The counts as a table, then what is wrong, if anything is. */
export function reportOf(options: CampaignOptions, campaign: Campaign): string {
  const { verdict, tookMs, tokenMode } = campaign
  const { seed, uploads, users } = options
  const rows = [...rowsOfUploads(campaign), ...rowsOfStrikes(campaign)]
  const width = Math.max(...rows.map(([what]) => what.length))
  const lines = [
    `Campaign, seed ${seed}: ${uploads} uploads by ${users} users through 2 gateways (${tokenMode} tokens), ${Math.round(tookMs / 1000)} s`,
    '',
    ...rows.map(([what, count]) => `  ${what.padEnd(width)}  ${String(count).padStart(6)}`),
    '',
    ...verdict.violations.map((violation) => `WRONG: ${violation}`),
    verdict.violations.length === 0
      ? 'Nothing lost, nothing twice, nothing foreign.'
      : `${verdict.violations.length} wrong. Again: npm run campaign -- --seed ${seed} --uploads ${uploads} --users ${users} (what happens when is not quite the same each time)`,
  ]
  return `${lines.join('\n')}\n`
}

function rowsOfUploads({ ledger, evidence, verdict }: Campaign): Row[] {
  const { attempts, strangers } = ledger
  const count = (wanted: (attempt: Attempt) => boolean) => attempts.filter(wanted).length
  const sum = (of: (attempt: Attempt) => number) =>
    attempts.reduce((total, attempt) => total + of(attempt), 0)
  const failed = (attempt: Attempt) => attempt.failures.length > 0
  const isTold = ({ stored }: Attempt) => stored.length > 0
  return [
    ['tries, each upload up to five', attempts.length],
    ['told stored', count(isTold)],
    ['  after a failure, by going on with it', count((it) => isTold(it) && failed(it))],
    ['  replaced since, by an overwrite to the same path', verdict.replaced],
    ['told failed, aborted, or left; in the end', count((it) => !isTold(it))],
    [
      '  stored all the same, and the user can find out',
      count((it) => !isTold(it) && it.settled === 'stored'),
    ],
    ['  gone without a trace', count((it) => it.settled === 'gone')],
    [
      '  never begun, as far as the user knows',
      count((it) => !isTold(it) && it.settled === undefined),
    ],
    ['begins whose answer was lost', sum(({ lostBegins }) => lostBegins)],
    ['  uploads left open by these, without a part', verdict.orphans],
    ['files stored at once, told nobody', verdict.untold],
    ['files', evidence.files.length],
    [
      'MiB in them',
      Math.round(evidence.files.reduce((total, { size }) => total + size, 0) / 2 ** 20),
    ],
    [
      "tries with somebody else's key, all told 404",
      [...strangers.values()].reduce((a, b) => a + b, 0),
    ],
    ['completed again', ledger.completedAgain],
  ]
}

function rowsOfStrikes({ struck }: Campaign): Row[] {
  return Object.entries(STRIKES).map(([kind, what]) => [
    what,
    struck.get(kind as Blow['kind']) ?? 0,
  ])
}
