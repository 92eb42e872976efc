import type { User } from '../auth/authenticate.ts'
import type { ConflictStrategy, SmhConfig, UploadRules } from '../config/parse.ts'
import { GatewayError, invalidField } from '../errors.ts'
import type { LogReason } from '../log-record.ts'
import {
  isClaimedSpaceId,
  isMetadataKey,
  MAX_LEVELS,
  MAX_NAME_CHARACTERS,
  METADATA_PREFIX,
  validateName,
} from '../name-rules.ts'
import type { PermittedUpload, permitted, UploadScope, WantedUpload } from '../smh/upload.ts'
import { folderName, parsePath } from './names.ts'

const MAX_METADATA_ENTRIES = 20
/**
 * Maximum length of the names and values of all metadata entries together, as headers: COS's limit for user metadata
 * (docs/smh-protocol.md#9).
 */
const MAX_METADATA_BYTES = 2048

/**
 * Resolves the space and folder of this user's files.
 *
 * @throws GatewayError `not_permitted` when a claim for the space or the prefix is missing or invalid
 */
export function resolveScope(
  space: SmhConfig['space'],
  rules: UploadRules,
  user: User,
): UploadScope {
  let spaceId: unknown
  if (space.kind === 'fixed') spaceId = space.id
  else {
    spaceId = ownClaim(user, space.claim)
    if (!isClaimedSpaceId(spaceId)) {
      throw notPermitted('Your token names no space to upload into.', 'space_claim')
    }
  }
  const rootPath = rules.prefix.map((segment) => {
    if ('text' in segment) return segment.text
    const value = ownClaim(user, segment.claim)
    const folder = typeof value === 'string' ? folderName(value) : undefined
    const name = folder && segment.before + folder + segment.after
    if (!name || name.length > MAX_NAME_CHARACTERS || validateName(name) !== undefined) {
      throw notPermitted(
        'A claim that your folder is named after is missing, or too long for a name.',
        'prefix_claim',
      )
    }
    return name
  })
  return { userId: user.id, spaceId: spaceId as string, rootPath }
}

/**
 * Decides whether this user may begin this upload.
 *
 * @param metadata the request's metadata headers, from {@link readMetadata}
 * @throws GatewayError `invalid_request` for a bad path, `file_too_large`, `not_permitted` with the name of
 *   the rule in `detail`
 */
export function permitUpload(
  rules: UploadRules,
  scope: UploadScope,
  wanted: WantedUpload,
  metadata: Readonly<Record<string, string>>,
): PermittedUpload {
  const { path: wantedPath, ...permittedFields } = wanted
  const parsed = parsePath(wantedPath)
  if ('issue' in parsed) throw invalidField('path', parsed.issue)
  const path = [...scope.rootPath, ...parsed.names]
  if (path.length > MAX_LEVELS) {
    throw invalidField('path', `has more than ${MAX_LEVELS} levels, those of your folder included`)
  }
  checkSize(rules, wanted)
  if (!extensionAllowed(rules, parsed.names.at(-1) as string)) {
    throw extensionRefused()
  }
  if (!rules.conflictStrategies.has(wanted.conflictResolutionStrategy)) {
    throw strategyRefused()
  }
  if (!rules.instant && (wanted.beginningHash !== undefined || wanted.fullHash !== undefined)) {
    throw notPermitted('Instant upload is switched off: send no hashes.', 'instant')
  }
  permittedFields.trafficLimit = permitTrafficLimit(rules, wanted.trafficLimit)
  return {
    scope,
    path,
    metadata,
    wanted: permittedFields,
  } as Omit<PermittedUpload, typeof permitted> as PermittedUpload
}

/** @throws GatewayError `file_too_large`; `invalid_request` for an empty file that is not a simple upload */
function checkSize(
  { maxBytes, simpleMaxBytes }: UploadRules,
  { size, method }: WantedUpload,
): void {
  if (size > maxBytes) {
    throw new GatewayError('file_too_large', `A file may have at most ${maxBytes} bytes.`)
  }
  // A multipart upload without parts cannot be confirmed.
  if (size === 0 && method === 'multipart') {
    throw invalidField('size', 'is 0: an empty file needs the method "simple"')
  }
  if (method === 'simple' && size > simpleMaxBytes) {
    throw new GatewayError(
      'file_too_large',
      `A simple upload may have at most ${simpleMaxBytes} bytes. Use the method "multipart".`,
    )
  }
}

/**
 * Checks an upload against the current rules before it is confirmed. They may be stricter than at begin.
 * The size is checked together with the parts.
 *
 * @param path from the root of the space; null when SMH does not report it
 * @throws GatewayError `not_permitted` with the name of the rule in `detail`
 */
export function permitCompletion(
  rules: UploadRules,
  strategy: ConflictStrategy,
  path: readonly string[] | null,
): void {
  const name = path?.at(-1)
  if (name !== undefined && !extensionAllowed(rules, name)) throw extensionRefused()
  if (!rules.conflictStrategies.has(strategy)) throw strategyRefused()
}

/** The lower of the requested limit and the policy's limit, bytes/s. Undefined if there is neither. */
export function permitTrafficLimit(
  rules: UploadRules,
  wanted: number | undefined,
): number | undefined {
  const ceiling = rules.trafficLimitBytesPerSecond
  if (wanted === undefined || ceiling === undefined) return wanted ?? ceiling
  return Math.min(wanted, ceiling)
}

/**
 * Reads the metadata of a request: its `x-smh-meta-*` headers, and the field `metadata` of its body. The same
 * rules and limits apply to both together.
 *
 * A value must be printable ASCII. It is forwarded and stored unchanged. Clients must percent-encode other
 * characters (UTF-8, as encodeURIComponent does), and receive them in that form.
 *
 * @param fields by names without the prefix. Case does not matter, as in headers
 * @returns values by complete header names
 * @throws GatewayError `metadata_too_large`, `invalid_request`, `not_permitted`
 */
export function readMetadata(
  rules: UploadRules,
  headers: Iterable<[name: string, value: string]>,
  fields: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const metadata: Record<string, string> = {}
  let count = 0
  let bytes = 0
  function add(name: string, value: string, key: string, place: (key: string) => string): void {
    count += 1
    bytes += name.length + value.length
    if (count > MAX_METADATA_ENTRIES || bytes > MAX_METADATA_BYTES) {
      throw new GatewayError(
        'metadata_too_large',
        `Metadata may have at most ${MAX_METADATA_ENTRIES} entries and ${MAX_METADATA_BYTES} bytes in total.`,
      )
    }
    if (!isMetadataKey(key)) {
      throw invalidField(place('*'), 'has a name with other characters than a-z 0-9 . _ -')
    }
    if (!/^[\x20-\x7e]*$/.test(value)) {
      throw invalidField(place(key), 'is not printable ASCII: percent-encode it')
    }
    if (rules.metaKeys && !rules.metaKeys.has(key)) {
      throw notPermitted('One of these metadata keys may not be used.', 'metadata_key')
    }
    if (Object.hasOwn(metadata, name)) throw invalidField(place(key), 'is given twice')
    metadata[name] = value
  }
  for (const [header, value] of headers) {
    const name = header.toLowerCase()
    if (!name.startsWith(METADATA_PREFIX)) continue
    add(name, value, name.slice(METADATA_PREFIX.length), (key) => METADATA_PREFIX + key)
  }
  for (const [field, value] of Object.entries(fields)) {
    // Before the change of case, which turns the Kelvin sign into a k.
    if (!/^[\w.-]*$/.test(field)) {
      throw invalidField('metadata.*', 'has a name with other characters than a-z 0-9 . _ -')
    }
    const key = field.toLowerCase()
    // HTTP drops these spaces from a header.
    if (/^\s|\s$/.test(value)) {
      throw invalidField(
        'metadata',
        'has a value that starts or ends with a space: percent-encode it',
      )
    }
    add(METADATA_PREFIX + key, value, key, (name) => `metadata.${name}`)
  }
  return metadata
}

/** SMH's `path` without the user's prefix, or null when it is outside the prefix. */
export function relativePath(
  rootPath: readonly string[],
  path: readonly string[] | null,
): string[] | null {
  if (path === null || path.length <= rootPath.length) return null
  return rootPath.every((name, level) => path[level] === name) ? path.slice(rootPath.length) : null
}

function extensionAllowed(rules: UploadRules, fileName: string): boolean {
  if (!rules.allowedExtensions) return true
  const dot = fileName.lastIndexOf('.')
  return dot > 0 && rules.allowedExtensions.has(fileName.slice(dot + 1).toLowerCase())
}

/** A claim of the token. Inherited properties such as `constructor` are not claims. */
function ownClaim(user: User, claim: string): unknown {
  return Object.hasOwn(user.claims, claim) ? user.claims[claim] : undefined
}

function extensionRefused(): GatewayError {
  return notPermitted('Files with this extension may not be uploaded.', 'extension')
}

function strategyRefused(): GatewayError {
  return notPermitted('This conflictResolutionStrategy may not be used.', 'strategy')
}

function notPermitted(detail: string, reason: LogReason): GatewayError {
  return new GatewayError('not_permitted', detail, { reason })
}
