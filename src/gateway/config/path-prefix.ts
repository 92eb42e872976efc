import { MAX_LEVELS, validateName } from '../name-rules.ts'
import type { Reader } from './readers.ts'

/** One level of `UPLOAD_PATH_PREFIX`: fixed text, or text around the value of one claim. */
export type PrefixSegment = { text: string } | { before: string; claim: string; after: string }

const expected = 'a path such as users/{sub}, or / for the whole space'

/** Reads `UPLOAD_PATH_PREFIX`, level by level. */
export const pathPrefix: Reader<readonly PrefixSegment[]> = {
  expected,
  read(text) {
    if (text === '/') return { value: [] }
    const levels = text.normalize('NFC').replace(/^\//, '').replace(/\/$/, '').split('/')
    if (levels.length >= MAX_LEVELS) return issue(`has more than ${MAX_LEVELS - 1} levels`)
    const segments: PrefixSegment[] = []
    for (const level of levels) {
      const segment = parseSegment(level)
      if (typeof segment === 'string') return issue(segment)
      segments.push(segment)
    }
    return { value: segments }
  },
}

const issue = (fault: string) => ({ issue: `must be ${expected}; this one ${fault}` })

/** A level as a segment, or what is wrong with it. */
function parseSegment(level: string): PrefixSegment | string {
  const placeholder = /^([^{}]*)\{([^{}]*)\}([^{}]*)$/.exec(level)
  if (!placeholder) {
    if (/\{[^{}]*\}.*\{[^{}]*\}/.test(level)) {
      return 'has two claims in one level, which could give two users the same folder'
    }
    if (/[{}]/.test(level)) return 'has a brace that is not part of a {claim}'
    return validateName(level) ?? { text: level }
  }
  const [, before = '', claim = '', after = ''] = placeholder
  if (!/^[\w.:-]+$/.test(claim)) return 'has a {claim} whose name is not valid'
  if (before.endsWith('$')) return 'has a $ in front of a {claim}'
  // A percent sign and the claim's first characters could form the escape of a slash.
  if (before.includes('%')) return 'has a percent sign in front of a {claim}'
  return validateName(`${before}x${after}`) ?? { before, claim, after }
}
