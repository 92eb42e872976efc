import { countOuterMembers } from '../json-depth.ts'

/** Replies of SMH are flat: an object of arrays of objects, and one more for what it may add. */
const MAX_DEPTH = 16

/** Above this length the depth is looked at first: for shorter texts it cannot matter. */
const SHORT = 64 * 1024

/**
 * The value of a JSON text, undefined when it is none or nested deeper than {@link MAX_DEPTH}: to parse a
 * million brackets would block the process for all callers.
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
