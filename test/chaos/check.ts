import type { Evidence, FoundFile, FoundTask } from './evidence.ts'
import type { Attempt } from './ledger.ts'

/** The folder that all users' folders are in, as the campaign configures the gateways. */
const ROOT = 'users'

/** What a user may be told while things go wrong; the outcome is open or the upload goes on. */
const PASSING = new Set([
  ...['left', 'aborted', 'network', 'cos', 'invalid_token', 'overloaded'],
  ...['upstream_error', 'upstream_timeout', 'upstream_unavailable'],
])

/** What a user may be told of an upload besides: that it cannot be stored. */
const FINAL = new Set([
  ...['name_conflict', 'checksum_mismatch', 'size_mismatch', 'upload_incomplete'],
  ...['upload_not_found', 'upload_complete'],
])

/** How what was found goes with what users were told. */
export interface Verdict {
  /** One line each; none when everything is as it should be. */
  violations: string[]
  /** Stored, and replaced by an upload to the same path that was allowed to. */
  replaced: number
  /** Tasks without parts that nobody can name. */
  orphans: number
  /** Files of which nobody was told: the answer to an instant begin was lost or came too late. */
  untold: number
}

/**
 * Whether every upload that its user was told is stored is stored once, whole, in that user's folder,
 * and no other; and none of the others is half there.
 */
export function judge(evidence: Evidence): Verdict {
  const { attempts, files, openTasks, strangers, faults, leaks, sharedTasks } = evidence
  const violations = [...faults]
  const filesOf = Map.groupBy(files, ({ id }) => id)
  let replaced = 0
  let untold = 0

  for (const attempt of attempts) {
    const own = filesOf.get(attempt.id) ?? []
    const say = (what: string) => violations.push(`upload ${attempt.id}: ${what}`)
    const isStored = attempt.stored.length > 0 || attempt.settled === 'stored'
    for (const fault of faultsOfAnswers(attempt, attempts)) say(fault)
    for (const file of own) for (const fault of faultsOfFile(attempt, file)) say(fault)
    if (own.length > 1) say(`is stored ${own.length} times`)
    if (isStored && own.length === 0) {
      if (replacementOf(attempt, attempts, files)) replaced += 1
      else say('was told stored, and there is no such file')
    }
    if (!isStored && own.length > 0) {
      // The answer was lost, or came when the user had given up; there is no key to ask with.
      const cannotBeTold = attempt.confirmKey === undefined && attempt.instantBegins > 0
      if (cannotBeTold) untold += 1
      else say('was not told stored, and there is a file')
    }
    if (attempt.confirmKey !== undefined && attempt.settled === undefined) {
      say('got no definite answer in the end')
    }
  }
  for (const file of files) {
    if (!attempts.some(({ id }) => id === file.id))
      violations.push(`a file of nobody's: ${file.path}`)
  }
  violations.push(...faultsOfFolders([...files, ...openTasks]), ...faultsOfTasks(evidence))
  for (const [answer, count] of strangers) {
    if (answer !== '404 upload_not_found') {
      violations.push(`somebody else's key was answered ${answer}, ${count} times`)
    }
  }
  if (sharedTasks > 0) violations.push(`SMH was asked about ${sharedTasks} uploads for strangers`)
  if (leaks > 0) violations.push(`${leaks} secrets stand in what the gateways wrote`)
  return { violations, replaced, orphans: openTasks.length, untold }
}

function* faultsOfAnswers(attempt: Attempt, attempts: readonly Attempt[]) {
  const { stored, settled, wanted } = attempt
  const hasRivals = rivalsOf(attempt, attempts).length > 0
  const paths = new Set(stored.map(({ path }) => path.join('/')))
  if (paths.size > 1) yield `was told stored under ${[...paths].join(' and ')}`
  for (const { crc64, size } of stored) {
    if (crc64 !== wanted.crc64 || size !== wanted.size) yield 'was told stored as another file'
  }
  if (stored.length > 0 && settled === 'gone') yield 'was told stored, then gone'
  for (const code of attempt.failures) {
    if (!PASSING.has(code) && !FINAL.has(code)) yield `failed with ${code}`
  }
  for (const code of attempt.failuresAfter) {
    // Whose file was replaced since may be told so.
    if (!PASSING.has(code) && !(FINAL.has(code) && hasRivals)) yield `was told stored, then ${code}`
  }
}

function* faultsOfFile({ wanted, stored }: Attempt, file: FoundFile) {
  if (file.sha256 !== wanted.sha256) yield 'is stored with other bytes'
  if (file.userId !== wanted.user) yield `is stored as ${file.userId}'s`
  const path = file.path.slice(2)
  const told = stored[0]?.path
  if (told && told.join('/') !== path.join('/')) yield `is stored at ${path.join('/')}`
  const folders = wanted.path.split('/').slice(0, -1)
  if (path.slice(0, -1).join('/') !== folders.join('/')) yield `is stored in ${path.slice(0, -1)}`
}

/** Those that might replace the file of this upload. */
function rivalsOf({ id, wanted }: Attempt, attempts: readonly Attempt[]): Attempt[] {
  return attempts.filter(
    (other) =>
      other.id !== id &&
      other.wanted.user === wanted.user &&
      other.wanted.path === wanted.path &&
      other.wanted.strategy === 'overwrite',
  )
}

/** The upload whose file is where this one's was, if it may have replaced it. */
function replacementOf(attempt: Attempt, attempts: readonly Attempt[], files: FoundFile[]) {
  const told = attempt.stored[0]?.path.join('/') ?? attempt.wanted.path
  return rivalsOf(attempt, attempts).find(
    ({ id, wanted, storedAt }) =>
      told === wanted.path &&
      (storedAt === undefined || storedAt > attempt.beganAt) &&
      files.some((file) => file.id === id && file.path.slice(2).join('/') === told),
  )
}

/** Every user has one folder, and every folder one user. */
function* faultsOfFolders(found: readonly { path: string[]; userId: string }[]) {
  const pairs = new Set(found.map(({ path, userId }) => JSON.stringify([path[1], userId])))
  const folders = new Set(found.map(({ path }) => path[1]))
  const users = new Set(found.map(({ userId }) => userId))
  if (pairs.size !== folders.size) yield 'two users share a folder'
  if (pairs.size !== users.size) yield 'a user has two folders'
  for (const { path } of found) {
    if (path[0] !== ROOT || path.length < 3) yield `${path.join('/')} is in no user's folder`
  }
}

/** What is open in the end was begun by somebody who got no answer, and holds nothing. */
function* faultsOfTasks({ attempts, openTasks }: Evidence) {
  const placeOf = ({ userId, path }: FoundTask) => `${userId} ${path.slice(2).join('/')}`
  for (const [place, tasks] of Map.groupBy(openTasks, placeOf)) {
    const lost = attempts
      .filter(({ wanted }) => `${wanted.user} ${wanted.path}` === place)
      .reduce((sum, { lostBegins }) => sum + lostBegins, 0)
    if (tasks.length > lost) {
      yield `${place}: ${tasks.length} uploads are open, and ${lost} answers to begins were lost`
    }
    for (const { parts } of tasks) if (parts > 0) yield `${place}: ${parts} parts are left over`
  }
}
