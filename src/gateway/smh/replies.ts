import * as z from 'zod'

/**
 * The fields of SMH's replies that the gateway uses. SMH sends more fields. Responses of the gateway are
 * built from the fields named here only.
 */

/** Maximum lengths of texts that are passed on to clients, in UTF-16 units. */
const text = (max: number) => z.string().max(max)

/** The end of the year 9999, in which HTTP dates end (RFC 9110 §5.6.7), milliseconds since the epoch. */
const LAST_TIME = Date.parse('9999-12-31T23:59:59.999Z')

/** Milliseconds since the epoch. */
const isoTime = z.iso
  .datetime({ offset: true })
  .max(64)
  .transform(Date.parse)
  .refine((time) => time >= 0 && time <= LAST_TIME)

/** Sizes are decimal strings (docs/smh-protocol.md#5.7), in parts numbers (docs/smh-protocol.md#5.6). */
const bytes = z.union([
  z.int().nonnegative(),
  z
    .string()
    .regex(/^\d{1,15}$/)
    .transform(Number),
])

/** `host` or `host:port`; clients build `https://{domain}{path}` from it. */
const domain = text(255)
  .regex(/^(?:[\w-]{1,63}(?:\.[\w-]{1,63})*|\[[0-9A-Fa-f:]{2,39}\])(?::\d{1,5})?$/)
  .refine((host) => Number(/:(\d+)$/.exec(host)?.[1] ?? 443) <= 65_535)

/**
 * The path of an object in COS, as in a URL. It must not end the path or name another object. One sample in
 * SMH's documentation lacks the leading slash.
 */
const objectPath = text(2048)
  .min(1)
  .transform((path) => (path.startsWith('/') ? path : `/${path}`))
  .refine((path) => /^[^\s\p{Cc}?#\\]+$/u.test(path) && path.isWellFormed())
  .refine((path) => !/\/(?:\.|%2e){1,2}(?:\/|$)/i.test(path))

/** Clients put it into a query. Upload ids of COS have about 60 characters. */
const uploadId = z.string().regex(/^[\x21-\x7e]{1,512}$/)

/**
 * It becomes a path segment, where only dots would name another path. The gateway's confirm key has room
 * for 256 bytes of it.
 */
const smhConfirmKey = z.string().regex(/^(?!\.+$)[\x21-\x7e]{1,256}$/)

/** Names and values of fields that HTTP can carry (RFC 9110 §5.1, §5.5). */
const fieldName = /^[\w!#$%&'*+.^`|~-]+$/
const fieldValue = /^[\x20-\x7e\t]*$/

/**
 * HTTP clients set these two themselves, and browsers forbid scripts to set them
 * (docs/smh-protocol.md#11.1).
 */
const setByClients = /^(host|content-length)$/i

const MAX_HEADERS = 64
/**
 * Maximum length of names and values together. COS's security token is the longest value, with a few
 * thousand characters.
 */
const MAX_HEADER_CHARACTERS = 16 * 1024

/** Checked by hand: a record of zod takes most of the CPU time of a reply. */
const headers = z.unknown().transform((value, context) => {
  const read = readHeaders(value)
  if (read) return read
  context.addIssue({ code: 'custom' })
  return z.NEVER
})

function readHeaders(value: unknown): Record<string, string> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const entries = Object.entries(value)
  if (entries.length > MAX_HEADERS) return undefined
  const read: Record<string, string> = {}
  let characters = 0
  for (const [name, given] of entries) {
    const text: unknown = typeof given === 'number' ? String(given) : given
    if (typeof text !== 'string' || !fieldName.test(name) || !fieldValue.test(text))
      return undefined
    characters += name.length + text.length
    if (characters > MAX_HEADER_CHARACTERS) return undefined
    if (!setByClients.test(name)) read[name] = text
  }
  return read
}

/** docs/smh-protocol.md#3.1 */
export const tokenReply = z.object({
  accessToken: z.string().regex(/^[\x21-\x7e]{1,4096}$/),
  expiresIn: z.number().positive(),
})

/** docs/smh-protocol.md#5.2 and docs/smh-protocol.md#5.5 */
export const taskReply = z.object({
  domain,
  path: objectPath,
  uploadId,
  headers,
  confirmKey: smhConfirmKey,
  expiration: isoTime,
})

/** docs/smh-protocol.md#5.3: the task of a simple upload. Its one PUT needs no upload id. */
export const simpleTaskReply = taskReply.omit({ uploadId: true })

/** A task with credentials for its bytes. `uploadId` is missing for a simple upload. */
export type TaskReply = z.infer<typeof simpleTaskReply> & { uploadId?: string }

/**
 * A stored file (docs/smh-protocol.md#5.7, docs/smh-protocol.md#6.3, and #5.2 for instant upload). An
 * optional field with an unexpected shape is ignored: the file is stored, and an error would make the
 * client begin again.
 */
export const fileReply = z.object({
  path: z.array(text(1024)).max(128).nullable(),
  name: text(1024),
  type: text(64),
  creationTime: text(64),
  modificationTime: text(64),
  contentType: text(256).default('application/octet-stream'),
  size: bytes,
  eTag: text(256),
  crc64: z.string().regex(/^\d{1,20}$/),
  metaData: z
    .record(text(256), text(2048))
    .refine((all) => Object.keys(all).length <= MAX_HEADERS)
    .optional()
    .catch(undefined),
  isOverwritten: z.boolean().optional().catch(undefined),
  previewByDoc: z.boolean().optional().catch(undefined),
  previewByCI: z.boolean().optional().catch(undefined),
  previewAsIcon: z.boolean().optional().catch(undefined),
  fileType: text(64).optional().catch(undefined),
})
export type FileReply = z.infer<typeof fileReply>

/** The next call requests the file by its path. These names would lead to another path. */
const pathName = text(1024).refine((name) => !/^\.{0,2}$|\//.test(name) && name.isWellFormed())

export interface ReceivedPart {
  partNumber: number
  size: number
  eTag: string
  lastModified: string
}

/**
 * Highest part number in COS (docs/smh-protocol.md#9). A higher one would make the search for missing parts
 * slow.
 */
export const MAX_PARTS = 10_000

/**
 * The parts of a status, at most 10,000. Reading stops at the first invalid part.
 *
 * Each part is checked by hand: zod takes several times the CPU for a long list.
 */
const parts = z
  .array(z.unknown())
  .max(MAX_PARTS)
  .transform((list, context) => {
    const read: ReceivedPart[] = []
    for (const each of list) {
      const part = readPart(each)
      if (!part) {
        context.addIssue({ code: 'custom' })
        return z.NEVER
      }
      read.push(part)
    }
    return read
  })

function readPart(value: unknown): ReceivedPart | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { PartNumber, LastModified, ETag, Size } = value as Readonly<Record<string, unknown>>
  if (typeof PartNumber !== 'number' || !Number.isInteger(PartNumber)) return undefined
  if (PartNumber < 1 || PartNumber > MAX_PARTS) return undefined
  if (typeof LastModified !== 'string' || LastModified.length > 64) return undefined
  if (typeof ETag !== 'string' || ETag.length > 256) return undefined
  const size = readBytes(Size)
  if (size === undefined) return undefined
  return { partNumber: PartNumber, size, eTag: ETag, lastModified: LastModified }
}

/** The same as the schema {@link bytes}. */
function readBytes(value: unknown): number | undefined {
  if (typeof value === 'string') return /^\d{1,15}$/.test(value) ? Number(value) : undefined
  return Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : undefined
}

/** docs/smh-protocol.md#5.6 */
export const statusReply = z.object({
  confirmed: z.boolean(),
  path: z.array(pathName).max(128).nullable(),
  uploadId: uploadId.optional(),
  parts: parts.optional(),
})
export type StatusReply = z.infer<typeof statusReply>

/**
 * docs/smh-protocol.md#5.8, docs/smh-protocol.md#6.5: the body must come from SMH and must not be an error
 * with a success status.
 */
export const doneReply = z.union([
  z.null(),
  z.looseObject({
    code: z.undefined().optional(),
    path: z.array(z.string()).optional(),
  }),
])

/** The format of SMH's request ids, which are logged. */
export const requestIdShape = /^[\w-]{1,64}$/

/** docs/smh-protocol.md#2.2. The format is checked because both values are logged. */
export const errorReply = z.object({
  code: z.string().regex(/^\w{1,64}$/),
  requestId: z.string().regex(requestIdShape).optional().catch(undefined),
})
