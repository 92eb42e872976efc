import type { Campaign } from './campaign.ts'
import type { FoundBegin } from './evidence.ts'
import type { Attempt } from './journal.ts'
import type { CampaignOptions, Failure } from './plan.ts'

const FAILURES: Record<Failure['kind'], string> = {
  fault: 'calls to SMH and COS that failed or were delayed',
  'lost confirm': 'lost responses to confirms',
  kill: 'gateways killed (SIGKILL)',
  stop: 'gateways stopped (SIGTERM)',
  'revoked tokens': 'revocations of all SMH tokens',
  'ended credentials': 'expirations of all COS credentials',
  'new issuer key': 'new keys of the issuer',
  'issuer down': 'outages of the issuer',
  'SMH down': 'outages of SMH',
  'Redis killed': 'Redis killed (SIGKILL), and started again empty',
  'Redis stopped': 'Redis stopped (SIGSTOP), and continued',
  'new confirm-key secret': 'new confirm-key secrets',
  'corrupt part': 'parts corrupted in COS',
}

type Row = [what: string, count: number | string]

/** The counts as a table, then what is wrong, if anything is. */
export function reportOf(options: CampaignOptions, campaign: Campaign): string {
  const { verdict, tookMs, tokenMode, redis } = campaign
  const { seed, uploads, users } = options
  const rows = [...rowsOfUploads(campaign), ...rowsOfFailures(campaign)]
  const width = Math.max(...rows.map(([what]) => what.length))
  const lines = [
    `Campaign, seed ${seed}: ${uploads} uploads by ${users} users through 2 gateways (${tokenMode} tokens), ${Math.round(tookMs / 1000)} s`,
    '',
    ...rows.map(([what, count]) => `  ${what.padEnd(width)}  ${String(count).padStart(6)}`),
    '',
    ...(redis ? [] : ['redis-server is missing: each gateway had a ledger of its own.', '']),
    ...verdict.violations.map((violation) => `WRONG: ${violation}`),
    verdict.violations.length === 0
      ? 'Nothing lost, nothing twice, nothing foreign.'
      : `${verdict.violations.length} wrong. Again: npm run campaign -- --seed ${seed} --uploads ${uploads} --users ${users} (the order of events varies between runs)`,
  ]
  return `${lines.join('\n')}\n`
}

function rowsOfUploads({ journal, evidence, verdict, redis }: Campaign): Row[] {
  const { attempts, attackerResponses } = journal
  const count = (wanted: (attempt: Attempt) => boolean) => attempts.filter(wanted).length
  const sum = (of: (attempt: Attempt) => number) =>
    attempts.reduce((total, attempt) => total + of(attempt), 0)
  /** Begins with more than one of what `of` returns. */
  const begins = (of: (begin: FoundBegin) => readonly unknown[]) =>
    evidence.begins.filter((begin) => of(begin).length > 1).length
  const failed = (attempt: Attempt) => attempt.errorCodes.length > 0
  const isStored = ({ stored }: Attempt) => stored.length > 0
  return [
    ['tries, each upload up to five', attempts.length],
    ['reported as stored', count(isStored)],
    ['  after a failure, by continuing it', count((it) => isStored(it) && failed(it))],
    ['  replaced since, by an overwrite to the same path', verdict.replaced],
    ['reported as failed, aborted, or left; in the end', count((it) => !isStored(it))],
    [
      '  stored nevertheless, and the user can find out',
      count((it) => !isStored(it) && it.settled === 'stored'),
    ],
    ['  gone without a trace', count((it) => it.settled === 'gone')],
    [
      '  never begun, as far as the user knows',
      count((it) => !isStored(it) && it.settled === undefined),
    ],
    ['begins whose response was lost', sum(({ lostBegins }) => lostBegins)],
    ['begins repeated with their Idempotency-Key', begins(({ requests }) => requests)],
    [
      '  answered with credentials more than once',
      begins(({ requests }) => requests.filter(({ confirmKey }) => confirmKey !== undefined)),
    ],
    ['    while the gateways shared Redis', verdict.repeatedBegins],
    ['lists of open uploads received', evidence.lists.length],
    ['  uploads that users found in them in the end, and aborted', journal.tidied],
    ['uploads left open that no user knows, without a part', verdict.orphans],
    ['files stored at once whose response was lost', verdict.unreported],
    ['files', evidence.files.length],
    [
      'MiB in them',
      Math.round(evidence.files.reduce((total, { size }) => total + size, 0) / 2 ** 20),
    ],
    [
      "tries with another user's key, all answered 404",
      [...attackerResponses.values()].reduce((a, b) => a + b, 0),
    ],
    ['completed again', journal.completedAgain],
    ['times a gateway did without Redis', redis?.gaps ?? 0],
    ['times all of Redis was read for secrets', redis?.inspections ?? 0],
  ]
}

function rowsOfFailures({ triggered }: Campaign): Row[] {
  return Object.entries(FAILURES).map(([kind, what]) => [
    what,
    triggered.get(kind as Failure['kind']) ?? 0,
  ])
}
