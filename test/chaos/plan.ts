import fc from 'fast-check'
import { MIB } from '../../src/client/parts.ts'
import type { Fault } from '../../src/emulator/faults.ts'
import type { RouteName } from '../../src/emulator/route-names.ts'

export interface CampaignOptions {
  seed: number
  uploads: number
  users: number
}

type Strategy = 'rename' | 'ask' | 'overwrite'

/** What a user does about an upload; `at` is the progress of the upload at that moment, 0 to 1. */
type Behaviour =
  | { kind: 'wait' }
  | { kind: 'pause'; at: number }
  /** The page is reloaded and continues through the other gateway. */
  | { kind: 'reload'; at: number; partMib: number }
  /** The page is closed, and the user does not come back before the end. */
  | { kind: 'leave'; at: number }
  | { kind: 'abort'; at: number }
  /** A second device of the same user resumes the upload while the first still sends. */
  | { kind: 'second device'; at: number }
  /** Another user has obtained the confirm key. */
  | { kind: 'attacker'; at: number }
  | { kind: 'complete again' }
  /** The user lists the open uploads through the other gateway. */
  | { kind: 'list'; at: number }
  /** Several requests with one Idempotency-Key, through both gateways at once and one after another. */
  | { kind: 'begin twice' }

export interface PlannedUpload {
  number: number
  user: string
  gateway: 0 | 1
  path: string
  size: number
  /** Uploads with the same number here have the same bytes. */
  content: number
  strategy: Strategy
  behaviour: Behaviour
  /** How the user learns the outcome of an upload that no response called stored. */
  settleBy: 'abort' | 'complete' | 'resume'
}

/** What can go wrong during a campaign. */
export type Failure =
  | { kind: 'fault'; route: RouteName; fault: Fault }
  | { kind: 'lost confirm'; times: number }
  /** Without `during` immediately, otherwise while SMH or COS handles such a call. */
  | { kind: 'kill'; gateways: (0 | 1)[]; during?: RouteName }
  | { kind: 'stop'; gateway: 0 | 1 }
  | { kind: 'revoked tokens' }
  | { kind: 'new issuer key' }
  | { kind: 'new confirm-key secret' }
  | { kind: 'ended credentials' }
  | { kind: 'corrupt part'; pick: number }
  /** The outage lasts until clients have received this number of responses. */
  | { kind: OutageKind; answers: number }

/** Redis is killed (SIGKILL), and starts again empty, or it is stopped (SIGSTOP) and continues. */
type OutageKind = 'issuer down' | 'SMH down' | 'Redis killed' | 'Redis stopped'

export type ScheduledFailure = Failure & {
  /** Happens once clients have received this number of responses. */
  after: number
}

export interface Plan extends CampaignOptions {
  tokenMode: 'shared' | 'per-user'
  /** `sub` of each. */
  people: string[]
  uploads: number
  planned: PlannedUpload[]
  scheduled: ScheduledFailure[]
}

/** Names that a careless encoding would confuse. Further users are numbered. */
const PEOPLE = ['ann', 'Ann', 'bob', '../bob', 'cleo', 'dän', 'users/ann', 'ann.']

/** A campaign is long from this number of uploads on. */
const LONG = 100

const SMH_ROUTES = [
  ...['begin-multipart', 'begin-multipart', 'begin-simple', 'begin-simple', 'status', 'status'],
  ...['renew', 'confirm', 'confirm', 'cancel', 'directory-info', 'create-directory', 'mint-token'],
] as RouteName[]

const HTML = { contentType: 'text/html', body: '<h1>Bad gateway</h1>' }

const SMH_FAULTS: Fault[] = [
  { drop: 'before' },
  { drop: 'after' },
  { drop: 'after' },
  { status: 429, code: 'RateLimitExceeded' },
  { status: 429, code: 'RateLimitExceeded', headers: { 'retry-after': '1' } },
  { status: 500, code: 'InternalServerError' },
  { status: 503, code: 'ServiceUnavailable' },
  { status: 502, ...HTML },
  { status: 200, ...HTML },
  { drop: 'midway' },
  { bodyDelayMs: 1_200 },
  { delayMs: 150 },
  // Longer than the gateway's timeout of every call except confirm.
  { delayMs: 1_200 },
]

/** For routes that change something at a path. */
const CONFLICT: Fault[] = [{ status: 409, code: 'PathConflict' }]

const COS_FAULTS: Fault[] = [
  { drop: 'before' },
  { drop: 'after' },
  { status: 403, code: 'AccessDenied' },
  { status: 400, code: 'IncompleteBody' },
  { status: 500, code: 'InternalError' },
  { status: 503, code: 'SlowDown' },
  { delayMs: 200 },
]

/** Makes every random choice of a campaign: equal options give equal plans. */
export function planCampaign(options: CampaignOptions): Plan {
  const { seed, uploads, users } = options
  const draw = <T>(arbitrary: fc.Arbitrary<T>) =>
    fc.sample(arbitrary, { seed, numRuns: uploads, unbiased: true })

  const people = Array.from({ length: users }, (_, index) => PEOPLE[index] ?? `user-${index}`)
  const planned: PlannedUpload[] = []
  for (const { rivals, copies, folder, ...drawn } of draw(uploadBy(people))) {
    const number = planned.length
    const before = planned.findLast(({ user }) => user === drawn.user)
    const original = copies ? planned.find(({ size }) => size > MIB) : undefined
    planned.push({
      number,
      ...drawn,
      ...(original
        ? { content: original.content, size: original.size }
        : { content: number, size: drawn.size }),
      path: rivals && before ? before.path : [...folder, `file ${number}.bin`].join('/'),
    })
  }
  const requests = planned.reduce((sum, { size }) => sum + Math.ceil(size / MIB) + 3, 0)
  return {
    ...options,
    tokenMode: seed % 2 === 0 ? 'shared' : 'per-user',
    people,
    planned,
    scheduled: [...draw(scheduledWithin(requests)), ...requiredFailures(uploads, requests)].sort(
      (one, other) => one.after - other.after,
    ),
  }
}

const at = fc.integer({ min: 0, max: 999 }).map((drawn) => drawn / 1000)
const gateway = fc.constantFrom<(0 | 1)[]>(0, 1)

function uploadBy(people: readonly string[]) {
  return fc.record({
    user: fc.constantFrom(...people),
    gateway,
    size: fc.oneof(
      { weight: 1, arbitrary: fc.constant(0) },
      { weight: 1, arbitrary: fc.integer({ min: 1, max: 64 }) },
      { weight: 3, arbitrary: fc.integer({ min: 65, max: MIB }) },
      { weight: 1, arbitrary: fc.integer({ min: 1, max: 12 }).map((mib) => mib * MIB) },
      { weight: 4, arbitrary: fc.integer({ min: MIB + 1, max: 4 * MIB }) },
      { weight: 2, arbitrary: fc.integer({ min: 4 * MIB, max: 12 * MIB }) },
    ),
    strategy: fc.constantFrom<Strategy[]>('rename', 'rename', 'rename', 'ask', 'overwrite'),
    folder: fc.constantFrom([], ['a'], ['holiday', '2026'], ['50 % größer', 'b']),
    /** To the path of the same user's previous upload. */
    rivals: oneIn(5),
    /** With bytes that were uploaded before. */
    copies: oneIn(12),
    behaviour: fc.oneof(
      { weight: 3, arbitrary: fc.constant({ kind: 'wait' } as const) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('pause' as const), at }) },
      {
        weight: 3,
        arbitrary: fc.record({
          kind: fc.constant('reload' as const),
          at,
          partMib: fc.constantFrom(1, 1, 2),
        }),
      },
      {
        weight: 6,
        arbitrary: fc.record({
          kind: fc.constantFrom('leave', 'abort', 'abort', 'second device', 'attacker', 'attacker'),
          at,
        }),
      },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('list' as const), at }) },
      { weight: 3, arbitrary: fc.constant({ kind: 'begin twice' } as const) },
      { weight: 2, arbitrary: fc.constant({ kind: 'complete again' } as const) },
    ) as fc.Arbitrary<Behaviour>,
    settleBy: fc.constantFrom<PlannedUpload['settleBy'][]>('abort', 'complete', 'resume'),
  })
}

function oneIn(count: number): fc.Arbitrary<boolean> {
  return fc.nat({ max: count - 1 }).map((drawn) => drawn === 0)
}

const during = fc.constantFrom<RouteName[]>(
  ...(['begin-multipart', 'begin-simple', 'status', 'renew', 'confirm', 'confirm'] as const),
  ...(['cancel', 'put-part', 'put-object'] as const),
)

const times = fc.constantFrom(1, 1, 1, 2, 4)

const faultOf = (routes: RouteName[], faults: Fault[]): fc.Arbitrary<Failure> =>
  fc.record({
    kind: fc.constant('fault' as const),
    route: fc.constantFrom(...routes),
    fault: fc
      .tuple(fc.constantFrom(...faults), times)
      .map(([fault, times]) => ({ ...fault, times })),
  })

const kill: fc.Arbitrary<Failure> = fc.record(
  {
    kind: fc.constant('kill' as const),
    gateways: fc.constantFrom<(0 | 1)[][]>([0], [1], [0], [1], [0, 1]),
    during,
  },
  { requiredKeys: ['kind', 'gateways'] },
)

const failure: fc.Arbitrary<Failure> = fc.oneof(
  { weight: 45, arbitrary: faultOf(SMH_ROUTES, SMH_FAULTS) },
  {
    weight: 3,
    arbitrary: faultOf(
      ['begin-multipart', 'begin-simple', 'confirm', 'create-directory'],
      CONFLICT,
    ),
  },
  { weight: 22, arbitrary: faultOf(['put-part', 'put-part', 'put-object'], COS_FAULTS) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('lost confirm' as const), times }) },
  { weight: 7, arbitrary: kill },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('stop' as const), gateway }) },
  { weight: 6, arbitrary: fc.constant({ kind: 'revoked tokens' as const }) },
  { weight: 3, arbitrary: fc.constant({ kind: 'new issuer key' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'new confirm-key secret' as const }) },
  { weight: 4, arbitrary: fc.constant({ kind: 'ended credentials' as const }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('corrupt part' as const), pick: fc.nat() }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom<('issuer down' | 'SMH down')[]>('issuer down', 'SMH down'),
      answers: fc.integer({ min: 5, max: 60 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom<('Redis killed' | 'Redis stopped')[]>('Redis killed', 'Redis stopped'),
      answers: fc.integer({ min: 1, max: 80 }),
    }),
  },
)

/** The last tenth of a campaign has no failures, so that restarted gateways serve requests too. */
function scheduledWithin(requests: number): fc.Arbitrary<ScheduledFailure> {
  const after = fc.integer({ min: 1, max: Math.ceil(requests * 0.9) })
  return fc.tuple(failure, after).map(([what, when]) => ({ ...what, after: when }))
}

/** Failures that every campaign has. Restarts are slow, so a short campaign has few. */
function requiredFailures(uploads: number, requests: number): ScheduledFailure[] {
  const failures: Failure[] = [
    { kind: 'lost confirm', times: 1 },
    { kind: 'Redis killed', answers: 10 },
    { kind: 'revoked tokens' },
    { kind: 'kill', gateways: [0, 1], during: 'confirm' },
    { kind: 'Redis stopped', answers: 10 },
    { kind: 'new issuer key' },
    { kind: 'ended credentials' },
  ]
  if (uploads >= LONG) {
    failures.push(
      { kind: 'kill', gateways: [1], during: 'begin-multipart' },
      { kind: 'kill', gateways: [0], during: 'begin-simple' },
      { kind: 'new confirm-key secret' },
      { kind: 'stop', gateway: 0 },
      { kind: 'SMH down', answers: 30 },
    )
  }
  return failures.map((what, index) => ({
    ...what,
    after: Math.ceil((requests * (index + 1)) / (2 * failures.length)),
  }))
}
