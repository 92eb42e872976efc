import type {
  InstantUploadResult,
  OpenUploads,
  Problem,
  StoredFile,
  UploadCredentials,
  UploadStatus,
} from './gateway-types.ts'
import { MAX_PARTS } from './parts.ts'

type Check<Value> = (value: unknown) => value is Value
type Checks = { readonly [field: string]: Check<unknown> }

const check = <Value>(holds: (value: unknown) => boolean) => holds as Check<Value>

const isText = check<string>((value) => typeof value === 'string')
const isCount = check<number>((value) => Number.isSafeInteger(value) && (value as number) >= 0)
const isFlag = check<boolean>((value) => typeof value === 'boolean')

/** An array with at most {@link MAX_PARTS} items. */
const listOf = <Item>(isItem: Check<Item>) =>
  check<Item[]>((value) => Array.isArray(value) && value.length <= MAX_PARTS && value.every(isItem))

/** An object with these fields. Other fields are not checked. */
const having = <Value>(fields: Checks) =>
  check<Value>(
    (value) =>
      typeof value === 'object' &&
      value !== null &&
      Object.entries(fields).every(([name, isRight]) => isRight(Reflect.get(value, name))),
  )

const optional = <Value>(isRight: Check<Value>) =>
  check<Value | undefined>((value) => value === undefined || isRight(value))

const isPath = listOf(isText)

/** Headers that the runtime accepts. */
const isHeaders = check<Record<string, string>>((value) => {
  try {
    new Headers(value as Record<string, string>)
    return having({})(value) && Object.values(value as object).every(isText)
  } catch {
    return false
  }
})

/** Whether these are credentials. The response may come from a proxy instead of the gateway. */
export const isCredentials = having<UploadCredentials>({
  domain: check((value) => isText(value) && /^[\w.:[\]-]+$/.test(value)),
  path: check((value) => isText(value) && value.startsWith('/')),
  uploadId: optional(isText),
  headers: isHeaders,
  confirmKey: isText,
})

export const isStoredFile = having<StoredFile>({
  path: isPath,
  name: isText,
  size: isCount,
  crc64: isText,
})

export const isInstantUploadResult = having<InstantUploadResult>({
  outcome: isText,
  file: optional(isStoredFile),
  credentials: optional(isCredentials),
})

export const isUploadStatus = having<UploadStatus>({
  confirmed: isFlag,
  size: isCount,
  path: check((value) => value === null || isPath(value)),
  parts: optional(listOf(having({ partNumber: isCount, size: isCount }))),
})

export const isOpenUploads = having<OpenUploads>({
  uploads: listOf(having({ confirmKey: isText, path: isPath, size: isCount })),
})

/** A problem of the gateway. Proxies in between send none with a code and a request id. */
export const isProblem = having<Problem>({
  code: isText,
  requestId: isText,
  detail: optional(isText),
  errors: optional(listOf(having({ field: isText, message: isText }))),
  missingParts: optional(listOf(isCount)),
})

/** Reads the text of a response. Stops after the chunk in which it reaches `limit` characters. */
export async function readText({ body }: Response, limit: number): Promise<string> {
  if (!body) return ''
  const reader = body.getReader()
  const decoder = new TextDecoder()
  let text = ''
  try {
    while (text.length < limit) {
      const { done, value } = await reader.read()
      if (done) break
      text += decoder.decode(value, { stream: true })
    }
    return text
  } finally {
    reader.cancel().catch(() => {})
  }
}
