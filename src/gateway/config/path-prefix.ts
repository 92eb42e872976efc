import * as z from 'zod'
import { MAX_LEVELS, nameFault } from '../name-rules.ts'
import { variable } from './readers.ts'

/** One level of `UPLOAD_PATH_PREFIX`: fixed text, or text around one claim's value. */
export type PrefixSegment = { text: string } | { before: string; claim: string; after: string }

/** One level of `UPLOAD_PATH_PREFIX`, or what is wrong with it. */
function readSegment(level: string): PrefixSegment | { fault: string } {
  const placeholder = /^([^{}]*)\{([^{}]*)\}([^{}]*)$/.exec(level)
  if (!placeholder) {
    if (/\{[^{}]*\}.*\{[^{}]*\}/.test(level)) {
      return { fault: 'has two claims in one level, which could give two users the same folder' }
    }
    if (/[{}]/.test(level)) return { fault: 'has a brace that is no part of a {claim}' }
    const fault = nameFault(level)
    return fault ? { fault } : { text: level }
  }
  const [, before = '', claim = '', after = ''] = placeholder
  if (!/^[\w.:-]+$/.test(claim)) return { fault: 'has a {claim} whose name cannot be one' }
  if (before.endsWith('$')) return { fault: 'has a $ in front of a {claim}' }
  // A percent sign and the claim's first characters could make an escape that means a slash.
  if (before.includes('%')) return { fault: 'has a percent sign in front of a {claim}' }
  const fault = nameFault(`${before}x${after}`)
  return fault ? { fault } : { before, claim, after }
}

const prefixWants = 'a path such as users/{sub}, or / for the whole space'

/** `UPLOAD_PATH_PREFIX`, level by level. */
export const pathPrefix = variable(prefixWants, (text) => text).transform((text, context) => {
  if (text === '/') return []
  const levels = text.normalize('NFC').replace(/^\//, '').replace(/\/$/, '').split('/')
  const segments: PrefixSegment[] = []
  if (levels.length >= MAX_LEVELS) {
    const message = `${prefixWants}; a path has at most ${MAX_LEVELS - 1} levels in front of a name`
    context.addIssue({ code: 'custom', message })
    return z.NEVER
  }
  for (const level of levels) {
    const segment = readSegment(level)
    if (!('fault' in segment)) {
      segments.push(segment)
      continue
    }
    context.addIssue({ code: 'custom', message: `${prefixWants}; this one ${segment.fault}` })
    return z.NEVER
  }
  return segments
})
