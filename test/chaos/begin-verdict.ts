import type { Evidence, FoundBegin, FoundTask } from './evidence.ts'
import type { Gap } from './ledger-gaps.ts'
import type { KeyLife, ReceivedList } from './traffic.ts'

/** A request whose response was lost still ends within this time, milliseconds. */
const LONGEST_BEGIN_MS = 4_000

/** The gateway lists at most this number of uploads. */
const MAX_LISTED = 200

function overlaps(gaps: readonly Gap[], from: number, to: number): boolean {
  return gaps.some((gap) => gap.from <= to && gap.to >= from)
}

function firstSentAt({ requests }: FoundBegin | KeyLife['begin']): number {
  return Math.min(...requests.map(({ sentAt }) => sentAt))
}

function endOf({ requests }: FoundBegin): number {
  return Math.max(...requests.map((it) => it.answeredAt ?? it.sentAt + LONGEST_BEGIN_MS))
}

/** Requests with one Idempotency-Key begin one upload, as long as the ledger is shared. */
export function* violationsOfBegins({ begins, lives, gaps, kills }: Evidence) {
  for (const begin of begins) {
    const { attemptId, method, requests, created } = begin
    const from = firstSentAt(begin)
    const to = endOf(begin)
    if (overlaps(gaps, from, to)) continue
    const say = (what: string) => `upload ${attemptId}: ${what}`
    const named = requests.filter(({ confirmKey }) => confirmKey !== undefined)
    const keys = new Set(named.map(({ confirmKey }) => confirmKey!))
    if (method !== 'simple' && keys.size > 1) {
      yield say(`one Idempotency-Key returned ${keys.size} confirm keys`)
    }
    const storedAt = Math.min(...[...keys].map((key) => lives.get(key)?.endedAt ?? Infinity))
    if (method !== 'simple' && named.some(({ sentAt }) => sentAt > storedAt)) {
      yield say('a begin was repeated after the end of its upload, and succeeded')
    }
    const wasKilled = kills.some((at) => at >= from && at <= to)
    if (method !== 'simple' && created > 1 && !wasKilled) {
      yield say(`one Idempotency-Key created ${created} uploads in SMH`)
    }
  }
}

/** How many begins the ledger had to answer twice with one upload. */
export function countRepeatedBegins({ begins, gaps }: Evidence): number {
  return begins.filter((begin) => {
    const answers = begin.requests.filter(({ confirmKey }) => confirmKey !== undefined)
    return answers.length > 1 && !overlaps(gaps, firstSentAt(begin), endOf(begin))
  }).length
}

/** A list has all open uploads of its user, and no other, as long as the ledger is shared. */
export function* violationsOfLists({ lists, lives, gaps, attempts }: Evidence) {
  const livesOf = Map.groupBy(lives, ([, { user }]) => user)
  for (const list of lists) {
    const { user, sentAt, answeredAt, uploads } = list
    const of = `a list of ${user}`
    const listed = new Set(uploads.map(({ confirmKey }) => confirmKey))
    if (listed.size < uploads.length) yield `${of} has an upload twice`
    for (const { confirmKey, path, size } of uploads) {
      const life = lives.get(confirmKey)
      const own = attempts.filter(({ wanted }) => wanted.user === user)
      const isWanted = own.some(
        ({ wanted }) => wanted.path === path.join('/') && wanted.size === size,
      )
      if ((life && life.user !== user) || !isWanted) {
        yield `${of} has another user's upload: ${path.join('/')}`
      }
      const hasEnded = life?.endedAt !== undefined && life.endedAt < sentAt
      if (hasEnded && !overlaps(gaps, firstSentAt(life.begin), answeredAt)) {
        yield `${of} has an upload that has ended: ${path.join('/')}`
      }
    }
    if (listed.size >= MAX_LISTED) continue
    for (const [confirmKey, life] of livesOf.get(user) ?? []) {
      if (listed.has(confirmKey) || !isOpenDuring(life, list)) continue
      if (overlaps(gaps, firstSentAt(life.begin), answeredAt)) continue
      const { attemptId, begin, learnedAt } = life
      const facts = `${begin.method}, begun ${sentAt - learnedAt} ms before, ${listed.size} listed`
      yield `${of} lacks an open upload: ${attemptId} (${facts})`
    }
  }
}

/** Whether the upload is open from the request for the list until its response, as far as its owner knows. */
function isOpenDuring(life: KeyLife, { sentAt, answeredAt }: ReceivedList): boolean {
  const { learnedAt, endSentAt, begin } = life
  // An earlier request of the same begin may still run in a gateway, and replace a simple upload.
  const isSettled = begin.requests.every(
    (it) => it.sentAt > answeredAt || (it.answeredAt ?? it.sentAt + LONGEST_BEGIN_MS) <= learnedAt,
  )
  if (begin.method === 'simple' && !isSettled) return false
  return learnedAt < sentAt && (endSentAt === undefined || endSentAt > answeredAt)
}

/**
 * In the end no upload is open that a response named. Each other one has an explanation: SMH's response was lost, its
 * gateway was killed, or the ledger was not shared. Otherwise it would have been in the list, and so been aborted.
 */
export function* violationsOfTasks({ attempts, begins, openTasks, gaps, kills }: Evidence) {
  const targetOf = new Map(attempts.map(({ id, wanted }) => [id, `${wanted.user} ${wanted.path}`]))
  const beginsAt = Map.groupBy(begins, ({ attemptId }) => targetOf.get(attemptId))
  const targetOfTask = ({ userId, path }: FoundTask) => `${userId} ${path.slice(2).join('/')}`
  for (const [target, tasks] of Map.groupBy(openTasks, targetOfTask)) {
    for (const { parts, isNamed } of tasks) {
      if (isNamed) yield `${target}: an upload is still open that a response named`
      if (parts > 0) yield `${target}: ${parts} parts remain`
    }
    const unnamed = tasks.filter(({ isNamed }) => !isNamed).length
    const explained = (beginsAt.get(target) ?? []).reduce(
      (sum, begin) => sum + begin.lost + (isDisturbed(begin, gaps, kills) ? begin.created : 0),
      0,
    )
    if (unnamed > explained) {
      yield `${target}: ${unnamed} uploads are open that no user knows, and failures explain ${explained}`
    }
  }
}

/** Whether a task of this begin can be missing in the list. */
function isDisturbed(begin: FoundBegin, gaps: readonly Gap[], kills: readonly number[]): boolean {
  const from = firstSentAt(begin)
  const to = endOf(begin)
  // A begin without a response is known to the ledger alone, until the end.
  const isKnown = begin.requests.some(({ confirmKey }) => confirmKey !== undefined)
  return overlaps(gaps, from, isKnown ? to : Infinity) || kills.some((at) => at >= from && at <= to)
}
