import * as z from 'zod'
import { httpDate } from '../http/http-date.ts'
import { MAX_LEVELS, MAX_NAME_CHARACTERS } from '../name-rules.ts'
import type { TaskReply } from '../smh/replies.ts'
import { MAX_PATH_CHARACTERS } from '../uploads/names.ts'
import { relativePath } from '../uploads/policy.ts'
import type { StoredUpload } from '../uploads/stored-upload.ts'

/** COS allows 100 KiB/s to 100 MiB/s (docs/smh-protocol.md#5.1). */
export const trafficLimit = z.int().min(102_400).max(104_857_600).meta({
  description: 'Bytes per second for each connection to COS.',
  format: 'int64',
  example: 1_048_576,
})

const sha256Hex = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hex digits')

export const beginningHash = sha256Hex.meta({
  description: 'SHA-256 of the first MiB, in lower-case hex.',
  example: '9bc1b2a288b26af7257a36277ae3816a7d4f16e89c1e7e77d0a5c48bad62b360',
})

export const fullHash = sha256Hex.meta({
  description:
    'Chained SHA-256 of the whole file: h(0) = SHA-256(first MiB), h(i) = SHA-256(raw h(i-1), next MiB).',
  example: 'b2570d481fcf044769490e0d1af438817093cda8c31d6c838767bfa2db63bb93',
})

/** Written out, because the regular expressions of Python and Go do not support \p{Cc}. */
const CONTROL = '\\u0000-\\u001f\\u007f-\\u009f'

/** Text that is stored with a file. JSON allows lone surrogates and NUL; they must not reach SMH. */
const shortText = z
  .string()
  .min(1)
  .regex(new RegExp(`^[^${CONTROL}]*$`), 'has a control character')
  .refine((value) => value.isWellFormed(), 'is not well-formed Unicode')

/** Counts Unicode characters. `length` counts some of them twice. */
const label = shortText
  .refine((value) => [...value].length <= 64, 'has more than 64 characters')
  .meta({ maxLength: 64 })

/** At most nanoseconds. Unlimited fraction digits would let a client send long texts to SMH. */
const MAX_TIME_CHARACTERS = '2026-03-09T11:22:33.123456789+08:00'.length

const localTime = z.iso
  .datetime({ offset: true })
  .max(MAX_TIME_CHARACTERS)
  .meta({ example: '2026-03-09T11:22:33Z' })

/** Fields of begin and of complete. */
export const fileDetails = {
  labels: z
    .array(label)
    .max(20)
    .optional()
    .meta({ description: 'Stored with the file.', example: ['holiday'] }),
  category: shortText
    .refine((value) => new TextEncoder().encode(value).length <= 16, 'has more than 16 bytes')
    .optional()
    .meta({
      description: 'Stored with the file. At most 16 bytes of UTF-8.',
      maxLength: 16,
      example: 'photo',
    }),
  localCreationTime: localTime.optional(),
  localModificationTime: localTime.optional(),
}

/** What `validateName` rejects anywhere in a name. */
const NOT_IN_NAMES = `${CONTROL}\\\\:*?"<>|/`

/** The rules for a name, as far as the regular expressions of every language can express them. */
const NAME = `([^${NOT_IN_NAMES} ][^${NOT_IN_NAMES}]*[^${NOT_IN_NAMES} .]|[^${NOT_IN_NAMES} .])`

/** Fields of begin and of instant upload. */
export const beginFields = {
  path: z.string().meta({
    description:
      "Relative to the user's folder, separated by slashes; the last segment is the file name. " +
      `At most ${MAX_LEVELS} levels, the user's folder included. A segment has at most ` +
      `${MAX_NAME_CHARACTERS} characters, is not \`.\` or \`..\`, does not end with a dot and does not ` +
      'start or end with a space.',
    minLength: 1,
    maxLength: MAX_PATH_CHARACTERS,
    pattern: `^/?${NAME}(/${NAME})*$`,
    example: 'holiday/clip.mp4',
  }),
  size: z.int().min(0).meta({
    description: 'Bytes. Checked again at completion. 0 only with the method `simple`.',
    format: 'int64',
    maximum: Number.MAX_SAFE_INTEGER,
    example: 2_097_162,
  }),
  conflictResolutionStrategy: z
    .enum(['ask', 'rename', 'overwrite'])
    .optional()
    .meta({
      description: 'What happens when the name is taken. Default: `rename`.',
      example: 'rename',
    })
    // No `default`: it would be in the document, and some generators then require the field.
    .transform((strategy = 'rename') => strategy),
  trafficLimit: trafficLimit.optional(),
  preferSameOrigin: z.boolean().optional().meta({
    description: 'When the file replaces another, prefer the COS domain of that file.',
    example: false,
  }),
  metadata: z
    .record(z.string(), z.string())
    .optional()
    .meta({
      description:
        'Stored with the file, like headers named `x-smh-meta-<name>`: at most 20 entries in both places ' +
        'together, with at most 2 KiB of header names and values. Names have the characters `a-z 0-9 . _ -`. ' +
        'Values are printable ASCII; percent-encode anything else (UTF-8). A name in both places is an error.',
      example: { origin: 'camera' },
    }),
  ...fileDetails,
}

export const method = z.enum(['multipart', 'simple'])

/** The size of an upload that has begun. */
export const declaredSize = z.int().meta({
  description: 'Bytes, as declared at begin.',
  format: 'int64',
  example: 2_097_162,
})

/** For the operations that take metadata. */
export const metadataRule =
  'Request headers named `x-smh-meta-<name>` are stored with the file, like the field `metadata`.'

/** For the operations that begin uploads. */
export const idempotencyKey = z.object({
  'Idempotency-Key': z
    .string()
    .optional()
    .meta({
      description:
        'Makes a repeat safe: a repeat with the same key and the same request gets the same outcome, with fresh ' +
        'credentials and the same `confirmKey`. 1 to 255 visible ASCII characters, with or without quotes. A key ' +
        'is kept for 24 hours, or until the upload ends. The same key with another request: 422 ' +
        '`idempotency_key_reused`. While the first request is running: 409 `request_in_progress`. A request that ' +
        'failed is not kept.',
      example: '"8e03978e-40d5-43dd-bc93-6894a57f9324"',
    }),
})

/** An example of the format. It is not a valid key. */
export const confirmKeyExample =
  '1.tk5lbc.1gqp2m.r.YzBmZmVl.q1Yb7cO3vW5kX8sT0uZ2aA4dG6fJ9hL1nP3rV5yB7xE'

export const confirmKeyParam = z.object({
  confirmKey: z.string().meta({
    param: { name: 'confirmKey', in: 'path' },
    description: 'The value from begin. Only the user who began the upload can use it.',
    example: confirmKeyExample,
  }),
})

/** The fields that a client needs to send parts to COS. */
export const credentials = z
  .object({
    domain: z.string().meta({ example: 'media-1299999999.cos.ap-shanghai.myqcloud.com' }),
    path: z.string().meta({ example: '/smh0example/5f0c/clip.mp4' }),
    uploadId: z.string().optional().meta({
      description: 'Missing for a simple upload.',
      example: '1741519353exampleuploadid',
    }),
    headers: z.record(z.string(), z.string()).meta({
      description: 'Send these headers unchanged with every request to COS.',
      example: {
        'Content-Type': 'application/octet-stream',
        Authorization: 'q-sign-algorithm=sha1&q-ak=…',
        'x-cos-security-token': '…',
      },
    }),
    confirmKey: z.string().meta({
      description: 'Identifies the upload to the gateway. At most 512 characters, URL-safe.',
      example: confirmKeyExample,
    }),
  })
  .meta({
    id: 'UploadCredentials',
    description:
      'Part n goes to `PUT https://{domain}{path}?uploadId={uploadId}&partNumber={n}` with `headers`. ' +
      'Number the parts 1..n; each but the last has at least 1 MiB. The whole file of a simple upload goes to ' +
      '`PUT https://{domain}{path}`.',
  })

export const storedFile = z
  .object({
    path: z.array(z.string()).meta({
      description:
        "Relative to the user's folder, the file name last; it may differ from the requested one. " +
        'Empty when the folder was moved away in the meantime.',
      example: ['holiday', 'clip (1).mp4'],
    }),
    name: z.string().meta({ example: 'clip (1).mp4' }),
    type: z.string().meta({ example: 'video' }),
    size: z.int().meta({ description: 'Bytes.', format: 'int64', example: 2_097_162 }),
    contentType: z.string().meta({ example: 'video/mp4' }),
    creationTime: z.string().meta({ example: '2026-03-09T11:31:00.000Z' }),
    modificationTime: z.string().meta({ example: '2026-03-09T11:31:00.000Z' }),
    eTag: z.string().meta({ example: '"2b1e0d6f4c5a49788899aabbccddeeff-3"' }),
    crc64: z.string().meta({
      description: 'CRC-64/XZ of the whole file, unsigned decimal.',
      example: '695790826536341425',
    }),
    metaData: z
      .record(z.string(), z.string())
      .optional()
      .meta({ example: { 'x-smh-meta-origin': 'camera' } }),
    isOverwritten: z.boolean().optional(),
    previewByDoc: z.boolean().optional(),
    previewByCI: z.boolean().optional(),
    previewAsIcon: z.boolean().optional(),
    fileType: z.string().optional(),
  })
  .meta({ id: 'StoredFile' })

/**
 * One flat object: the client generators of some languages do not support a union of schemas.
 */
export const instantUploadResult = z
  .object({
    outcome: z.enum(['stored', 'full_hash_required', 'upload_required']).meta({
      description:
        '- `stored`: the file is stored, see `file`. There is nothing to send and nothing to complete.\n' +
        '- `full_hash_required`: SMH may have the file. Repeat the request with `fullHash` as well. ' +
        'No upload exists yet.\n' +
        '- `upload_required`: SMH does not have the file. Continue with `credentials` as after begin.',
      example: 'upload_required',
    }),
    file: storedFile.optional(),
    credentials: credentials.optional(),
  })
  .meta({ id: 'InstantUploadResult', example: { outcome: 'full_hash_required' } })

/** @param confirmKey the gateway's, never SMH's */
export function toCredentials(task: TaskReply, confirmKey: string): z.infer<typeof credentials> {
  const { domain, path, uploadId, headers } = task
  // JSON leaves out the upload id that a simple upload does not have.
  return { domain, path, uploadId, headers, confirmKey }
}

/** The path in the response is relative to the user's folder. */
export function toStoredFile({ scope, file }: StoredUpload): z.infer<typeof storedFile> {
  return { ...file, path: relativePath(scope.rootPath, file.path) ?? [] }
}

/** `Location` of the upload, and the time when its credentials expire (HTTP date, RFC 9110 §5.6.7). */
export function credentialsHeaders(task: TaskReply, confirmKey: string): Record<string, string> {
  return {
    Location: `/v1/uploads/${confirmKey}`,
    'Upload-Expires': httpDate(task.expiration),
  }
}
