/** Replies of SMH are flat: an object of arrays of objects, and one more for what it may add. */
const MAX_DEPTH = 16

/** Above this length the depth is looked at first: for shorter texts it cannot matter. */
const SHORT = 64 * 1024

/**
 * The value of a JSON text, undefined when it is none or nested deeper than {@link MAX_DEPTH}: to parse a
 * million brackets would block the process for all callers.
 */
export function parseJson(text: string): unknown {
  if (text.length > SHORT && isDeep(text)) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isDeep(text: string): boolean {
  let depth = 0
  let inString = false
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at]
    if (inString) {
      if (character === '\\') at += 1
      else if (character === '"') inString = false
    } else if (character === '"') inString = true
    else if (character === '[' || character === '{') {
      depth += 1
      if (depth > MAX_DEPTH) return true
    } else if (character === ']' || character === '}') depth -= 1
  }
  return false
}
