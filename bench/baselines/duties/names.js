import { invalidRequest } from './problem.js'

const MAX_PATH_CHARACTERS = 1024
const MAX_NAME_CHARACTERS = 255
const MAX_LEVELS = 32
/** The levels of `users/{sub}`. */
const OWN_LEVELS = 2

const forbidden = /[\\/:*?"<>|\p{Cc}]/u
const encodedSeparator = /%(?:25)*(?:2f|5c|00)/i
const encodedDot = /%(?:25)*2e/gi
const slashLike = /[/\\\u2044\u2215\u2216\u29f5\u29f8]/

/** Names of these characters alone, with a dot neither first nor last, need no further check. */
const plainName = /^(?!\.)[\w.-]{1,255}(?<!\.)$/

/**
 * Splits a path into its names, in NFC.
 *
 * @throws Problem `invalid_request`
 */
export function namesOf(path) {
  if (isTooLong(path)) throw invalidPath(`has more than ${MAX_PATH_CHARACTERS} characters`)
  const composed = path.normalize('NFC')
  if (isTooLong(composed)) throw invalidPath(`has more than ${MAX_PATH_CHARACTERS} characters`)
  const names = (composed[0] === '/' ? composed.slice(1) : composed).split('/')
  for (const name of names) {
    const issue = plainName.test(name) ? undefined : issueOf(name)
    if (issue) throw invalidPath(issue)
  }
  if (names.length + OWN_LEVELS > MAX_LEVELS)
    throw invalidPath(`has more than ${MAX_LEVELS} levels`)
  return names
}

function issueOf(name) {
  if (name === '') return 'has an empty segment'
  if (!name.isWellFormed()) return 'is not well-formed Unicode'
  const plain = name.normalize('NFKC').replace(encodedDot, '.')
  if (plain.split(slashLike).some((part) => part === '.' || part === '..')) {
    return 'has a dot segment'
  }
  if (forbidden.test(name)) return 'has a forbidden character'
  if (encodedSeparator.test(name)) return 'has an encoded slash, backslash or NUL'
  if (/^\s|\s$/u.test(name)) return 'has a segment that starts or ends with a space'
  if (name.endsWith('.')) return 'has a segment that ends with a dot'
  if (isLonger(name, MAX_NAME_CHARACTERS)) return 'has a segment that is too long'
  return undefined
}

const isTooLong = (path) => isLonger(path, MAX_PATH_CHARACTERS)

/** Whether `text` has more than `max` characters. `length` counts some of them twice. */
export function isLonger(text, max) {
  if (text.length <= max) return false
  return text.length > 2 * max || [...text].length > max
}

function invalidPath(message) {
  return invalidRequest({ field: 'path', message })
}

/** The name of a user's folder: all but `a-z 0-9 _ - .` is encoded, and dots at the ends. */
export function folderName(id) {
  let name = ''
  for (const byte of Buffer.from(id)) {
    const character = String.fromCharCode(byte)
    const hex = byte.toString(16).toUpperCase().padStart(2, '0')
    name += /[a-z0-9_.-]/.test(character) ? character : `=${hex}`
  }
  return name.replace(/^\.|\.$/g, '=2E')
}
