import {
  countRepeatedBegins,
  violationsOfBegins,
  violationsOfLists,
  violationsOfTasks,
} from './begin-verdict.ts'
import type { Evidence, FoundFile } from './evidence.ts'
import type { Attempt } from './journal.ts'

/** The folder above all users' folders, as the campaign configures the gateways. */
const ROOT = 'users'

/** Error codes that a failure may cause: the outcome is open, or the upload continues. */
const PASSING = new Set([
  ...['left', 'aborted', 'network', 'cos', 'blocked', 'invalid_token', 'overloaded'],
  // A gateway was killed during a begin. A client of the campaign does not wait until its ticket is void.
  'request_in_progress',
  ...['upstream_error', 'upstream_timeout', 'upstream_unavailable'],
])

/** Error codes that say that an upload cannot be stored. */
const FINAL = new Set([
  ...['name_conflict', 'checksum_mismatch', 'size_mismatch', 'upload_incomplete'],
  ...['upload_not_found', 'upload_complete'],
])

/** How the stored files match the responses that users received. */
export interface Verdict {
  /** One line each; empty when every promise holds. */
  violations: string[]
  /** Files that a later upload to the same path replaced with permission. */
  replaced: number
  /** Open uploads without parts that no client knows and no list has. A failure explains each. */
  orphans: number
  /** Begins that got several answers while the ledger was shared. */
  repeatedBegins: number
  /** Files that no response reported: the response to an instant begin was lost or came too late. */
  unreported: number
}

/**
 * Checks that every upload that a response called stored is stored once, whole, in its user's folder,
 * and that no other upload left a file or parts.
 */
export function judge(evidence: Evidence): Verdict {
  const { attempts, files, openTasks, attackerResponses, incidents, leaks, sharedTasks } = evidence
  const violations = [...incidents]
  const filesOf = Map.groupBy(files, ({ id }) => id)
  let replaced = 0
  let unreported = 0

  for (const attempt of attempts) {
    const own = filesOf.get(attempt.id) ?? []
    const say = (what: string) => violations.push(`upload ${attempt.id}: ${what}`)
    const isStored = attempt.stored.length > 0 || attempt.settled === 'stored'
    for (const violation of violationsOfAnswers(attempt, attempts)) say(violation)
    for (const file of own) for (const violation of violationsOfFile(attempt, file)) say(violation)
    if (own.length > 1) say(`is stored ${own.length} times`)
    if (isStored && own.length === 0) {
      if (replacementOf(attempt, attempts, files)) replaced += 1
      else say('was reported as stored, and there is no such file')
    }
    if (!isStored && own.length > 0) {
      // The response was lost, or came after the user gave up: the user has no confirm key.
      const cannotBeReported = attempt.confirmKey === undefined && attempt.instantBegins > 0
      if (cannotBeReported) unreported += 1
      else say('was not reported as stored, and there is a file')
    }
    if (attempt.confirmKeys.size > 0 && attempt.settled === undefined) {
      say('has no definite outcome in the end')
    }
  }
  for (const file of files) {
    if (!attempts.some(({ id }) => id === file.id))
      violations.push(`a file of no upload: ${file.path}`)
  }
  violations.push(
    ...violationsOfFolders([...files, ...openTasks]),
    ...violationsOfBegins(evidence),
    ...new Set(violationsOfLists(evidence)),
    ...violationsOfTasks(evidence),
  )
  for (const [answer, count] of attackerResponses) {
    if (answer !== '404 upload_not_found') {
      violations.push(`another user's key was answered ${answer}, ${count} times`)
    }
  }
  if (sharedTasks > 0)
    violations.push(`SMH was asked about ${sharedTasks} uploads for several users`)
  if (leaks > 0) violations.push(`${leaks} secrets appear in the gateways' output`)
  const repeatedBegins = countRepeatedBegins(evidence)
  return { violations, replaced, orphans: openTasks.length, repeatedBegins, unreported }
}

function* violationsOfAnswers(attempt: Attempt, attempts: readonly Attempt[]) {
  const { stored, settled, wanted } = attempt
  const hasRivals = rivalsOf(attempt, attempts).length > 0
  const beganAgain = attempt.confirmKeys.size > 1
  const paths = new Set(stored.map(({ path }) => path.join('/')))
  if (paths.size > 1) yield `was reported as stored under ${[...paths].join(' and ')}`
  for (const { crc64, size } of stored) {
    if (crc64 !== wanted.crc64 || size !== wanted.size)
      yield 'was reported as stored with another size or checksum'
  }
  if (stored.length > 0 && settled === 'gone') yield 'was reported as stored, then as gone'
  for (const code of attempt.errorCodes) {
    if (!PASSING.has(code) && !FINAL.has(code)) yield `failed with ${code}`
  }
  for (const code of attempt.errorCodesAfterStored) {
    // A later upload may have replaced the file.
    // Another device began a simple upload again, so the key of this one is gone.
    if (beganAgain && code === 'upload_not_found') continue
    if (!PASSING.has(code) && !(FINAL.has(code) && hasRivals))
      yield `was reported as stored, then ${code}`
  }
}

function* violationsOfFile({ wanted, stored }: Attempt, file: FoundFile) {
  if (file.sha256 !== wanted.sha256) yield 'is stored with other bytes'
  if (file.userId !== wanted.user) yield `is stored as ${file.userId}'s`
  const path = file.path.slice(2)
  const reported = stored[0]?.path
  if (reported && reported.join('/') !== path.join('/')) yield `is stored at ${path.join('/')}`
  const folders = wanted.path.split('/').slice(0, -1)
  if (path.slice(0, -1).join('/') !== folders.join('/')) yield `is stored in ${path.slice(0, -1)}`
}

/** Uploads that may replace the file of this one. */
function rivalsOf({ id, wanted }: Attempt, attempts: readonly Attempt[]): Attempt[] {
  return attempts.filter(
    (other) =>
      other.id !== id &&
      other.wanted.user === wanted.user &&
      other.wanted.path === wanted.path &&
      other.wanted.strategy === 'overwrite',
  )
}

/** The upload whose file replaced this one's, if it was allowed to. */
function replacementOf(attempt: Attempt, attempts: readonly Attempt[], files: FoundFile[]) {
  const reported = attempt.stored[0]?.path.join('/') ?? attempt.wanted.path
  return rivalsOf(attempt, attempts).find(
    ({ id, wanted, storedAt }) =>
      reported === wanted.path &&
      (storedAt === undefined || storedAt > attempt.beganAt) &&
      files.some((file) => file.id === id && file.path.slice(2).join('/') === reported),
  )
}

/** Every user has one folder, and every folder one user. */
function* violationsOfFolders(found: readonly { path: string[]; userId: string }[]) {
  const pairs = new Set(found.map(({ path, userId }) => JSON.stringify([path[1], userId])))
  const folders = new Set(found.map(({ path }) => path[1]))
  const users = new Set(found.map(({ userId }) => userId))
  if (pairs.size !== folders.size) yield 'two users share a folder'
  if (pairs.size !== users.size) yield 'a user has two folders'
  for (const { path } of found) {
    if (path[0] !== ROOT || path.length < 3) yield `${path.join('/')} is in no user's folder`
  }
}
