import { z } from 'zod'

/**
 * The parts of SMH's replies that the gateway relies on. SMH sends more, and what is not named here
 * goes no further: what leaves the gateway is built from these and nothing else.
 */

const isoTime = z.iso.datetime({ offset: true })

/** SMH writes sizes as decimal strings (§5.7), in parts as numbers (§5.6). */
const bytes = z.union([
  z.int().nonnegative(),
  z
    .string()
    .regex(/^\d{1,15}$/)
    .transform(Number),
])

/** `host` or `host:port`; clients build `https://{domain}{path}` of it. */
const domain = z.string().regex(/^(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(?::\d{1,5})?$/)

/**
 * It becomes a path segment, in which dots alone would name another place, and goes into the bound
 * key, which has room for 256 bytes.
 */
const confirmKey = z.string().regex(/^(?!\.+$)[\x21-\x7e]{1,256}$/)

/** Field values that HTTP can carry (RFC 9110 §5.5). */
const headerValue = z.union([z.string().regex(/^[\x20-\x7e\t]*$/), z.number().transform(String)])

/** SMH §3.1 */
export const tokenReply = z.object({
  accessToken: z.string().min(1).max(4096),
  expiresIn: z.number().positive(),
})

/** SMH §5.2 and §5.5 */
export const taskReply = z.object({
  domain,
  path: z
    .string()
    .min(1)
    // One sample of SMH's pages lacks the slash (§5.6).
    .transform((path) => (path.startsWith('/') ? path : `/${path}`)),
  uploadId: z.string().min(1),
  headers: z.record(z.string().regex(/^[\w!#$%&'*+.^`|~-]+$/), headerValue).transform(sendable),
  confirmKey,
  expiration: isoTime,
})
export type TaskReply = z.infer<typeof taskReply>

/**
 * SMH §5.7, §6.3; an instant upload's answer is the same (§5.2). The file is stored by then, so what
 * may be missing is left out when it is of another shape: an error would make the client begin again.
 */
export const fileReply = z.object({
  path: z.array(z.string()).nullable(),
  name: z.string(),
  type: z.string(),
  creationTime: z.string(),
  modificationTime: z.string(),
  contentType: z.string().default('application/octet-stream'),
  size: bytes,
  eTag: z.string(),
  crc64: z.string(),
  metaData: z.record(z.string(), z.string()).optional().catch(undefined),
  isOverwritten: z.boolean().optional().catch(undefined),
  previewByDoc: z.boolean().optional().catch(undefined),
  previewByCI: z.boolean().optional().catch(undefined),
  previewAsIcon: z.boolean().optional().catch(undefined),
  fileType: z.string().optional().catch(undefined),
})
export type FileReply = z.infer<typeof fileReply>

/** The path of a file is asked for by the next call, in which these would name another place. */
const pathName = z.string().refine((name) => !/^\.{0,2}$|\//.test(name) && name.isWellFormed())

/** SMH §5.6 */
export const statusReply = z.object({
  confirmed: z.boolean(),
  path: z.array(pathName).nullable(),
  uploadId: z.string().optional(),
  parts: z
    .array(
      z
        .object({
          // COS has no others (SMH §9), and a gap before a huge one is walked number by number.
          PartNumber: z.int().min(1).max(10_000),
          LastModified: z.string(),
          ETag: z.string(),
          Size: bytes,
        })
        .transform((part) => ({
          partNumber: part.PartNumber,
          size: part.Size,
          eTag: part.ETag,
          lastModified: part.LastModified,
        })),
    )
    .optional(),
})
export type StatusReply = z.infer<typeof statusReply>
export type ReceivedPart = NonNullable<StatusReply['parts']>[number]

/** SMH §5.8, §6.5: all that matters is that it is SMH's, and no error under a good status. */
export const doneReply = z.union([
  z.null(),
  z.looseObject({
    code: z.undefined().optional(),
    path: z.array(z.string()).optional(),
  }),
])

/** Of SMH's request ids, which are logged. */
export const requestIdShape = /^[\w-]{1,64}$/

/** SMH §2.2. Shapes are checked because both values are logged. */
export const errorReply = z.object({
  code: z.string().regex(/^\w{1,64}$/),
  requestId: z.string().regex(requestIdShape).optional().catch(undefined),
})

/** The HTTP stack of the client sets these two itself, and a browser may not (SMH §11.1). */
function sendable(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !/^(host|content-length)$/i.test(name)),
  )
}
