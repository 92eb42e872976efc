import { SmhError } from './errors.ts'
import type { Description } from './state.ts'

/** ISO 8601 with a zone, as `2025-03-09T11:22:33Z` (docs/smh-protocol.md#5.1). */
const ISO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)$/

/** Maximum length of `category` (docs/smh-protocol.md#5.1). */
const MAX_CATEGORY_BYTES = 16

/** A string field of a body. Undefined when it is absent. */
export function stringField(body: Record<string, unknown>, name: string): string | undefined {
  const value = body[name]
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'string') throw new SmhError(400, 'ParamInvalid', `${name} is not a string.`)
  return value
}

/** Labels, category and local times in the body of begin or confirm (docs/smh-protocol.md#5.1). */
export function descriptionOf(body: Record<string, unknown>): Description {
  const description: Description = {}
  if (body.labels !== undefined) description.labels = labelsOf(body.labels)
  const category = stringField(body, 'category')
  if (category !== undefined) {
    if (Buffer.byteLength(category) > MAX_CATEGORY_BYTES) {
      throw new SmhError(400, 'ParamInvalid', 'category is too long.')
    }
    description.category = category
  }
  for (const name of ['localCreationTime', 'localModificationTime'] as const) {
    const time = stringField(body, name)
    if (time === undefined) continue
    if (!ISO_TIME.test(time) || Number.isNaN(Date.parse(time))) {
      throw new SmhError(400, 'InvalidTimeFormat')
    }
    description[name] = time
  }
  return description
}

function labelsOf(value: unknown): string[] {
  if (!Array.isArray(value) || !value.every((label) => typeof label === 'string')) {
    throw new SmhError(400, 'ParamInvalid', 'labels is not a list of strings.')
  }
  return value
}

/** The `x-smh-meta-*` headers with their prefix (docs/smh-protocol.md#5.7). */
export function metaDataOf(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => name.startsWith('x-smh-meta-')),
  )
}
