import { countOuterMembers } from '../json-depth.ts'

/**
 * Maximum nesting. Responses of SMH are objects of arrays of objects; one more level allows for additions.
 */
const MAX_DEPTH = 16

/** The depth of longer texts is checked before parsing. Shorter texts cannot be deep enough to matter. */
const SHORT = 64 * 1024

/**
 * Parses a JSON text. Undefined when it is invalid or nested deeper than {@link MAX_DEPTH}: parsing a
 * million brackets would block the process.
 */
export function parseJson(text: string): unknown {
  const isDeep = text.length > SHORT && countOuterMembers(text, MAX_DEPTH) === undefined
  if (isDeep) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
