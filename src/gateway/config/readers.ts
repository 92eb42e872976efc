import * as z from 'zod'
import { conceal } from './secret.ts'
import { parseTrustworthyUrl } from './secure-url.ts'

/** How the text of one configuration variable is read. What it wants is told, its value never. */

/** A variable with this text is as good as one that is not there. */
export const isUnset = (value: unknown) => value === undefined || value === null || value === ''

/** Whether `value` is text, or what a Workers var may have instead of it. */
export const isPlain = (value: unknown) => ['string', 'number', 'boolean'].includes(typeof value)

/** As whoever reads an environment file without a shell's rules leaves them. */
const inQuotes = /^(["']).*\1$/s

/** A variable whose text `read` understands; undefined means that it does not. */
export function variable<T>(wants: string, read: (text: string) => T | undefined) {
  const error = (issue: { input?: unknown }) =>
    isUnset(issue.input) ? `to be set: ${wants}` : wants
  return z.string({ error }).transform((text, context): T => {
    const quoted = inQuotes.test(text)
    const value = quoted ? undefined : read(text)
    if (value !== undefined) return value
    const message = quoted ? `${wants}; without quotes around it` : wants
    context.addIssue({ code: 'custom', message })
    return z.NEVER
  })
}

export const matching = (wants: string, pattern: RegExp) =>
  variable(wants, (text) => (pattern.test(text) ? text : undefined))

export const secret = (wants: string) => variable(wants, conceal)

export function integer(least: number, most: number) {
  return variable(`a whole number from ${least} to ${most}`, (text) => {
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
    return value >= least && value <= most ? value : undefined
  })
}

export function oneOf<const T extends string>(...choices: readonly T[]) {
  return variable(`one of ${choices.join(', ')}`, (text) => choices.find((each) => each === text))
}

export const yesOrNo = () => oneOf('true', 'false').transform((text) => text === 'true')

/** Items separated by commas, each read by `readItem`; an empty item is a fault as well. */
export function list<T>(wants: string, readItem: (item: string) => T | undefined) {
  return variable(`${wants}, separated by commas`, (text) => {
    const items = text.split(',').map((item) => item.trim())
    const values = items.map((item) => (item === '' ? undefined : readItem(item)))
    return values.every((value) => value !== undefined) ? values : undefined
  })
}

export const setOf = <T>(items: readonly T[]): ReadonlySet<T> => new Set(items)

export const issuerUrl = (text: string) => {
  const url = parseTrustworthyUrl(text)
  // OpenID Connect Core 1.0 §2: an issuer has no query and no fragment.
  return url && !/[?#]/.test(text) ? text : undefined
}

export const endpointOrigin = (text: string) => {
  const url = parseTrustworthyUrl(text)
  return url && !/[?#]/.test(text) && url.pathname === '/' ? url.origin : undefined
}

export const webOrigin = (text: string) =>
  // No wildcard: the URL parser lets an asterisk be part of a host name.
  /^https?:[^*]+$/.test(text) && URL.canParse(text) && new URL(text).origin === text
    ? text
    : undefined

export const confirmSecret = (text: string) =>
  new TextEncoder().encode(text).length >= 32 ? conceal(text) : undefined
