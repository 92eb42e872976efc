import { expect } from 'vitest'
import type { RecordedCall } from '../../src/emulator/recorder.ts'
import type { FuzzRequest, FuzzWorld } from './fuzz-requests.ts'
import { onBun } from './launch.ts'
import { type Operation, problemErrors, uploadOperations } from './published-document.ts'

/** The calls to SMH that each operation may make. */
const callsOf: Record<string, RecordedCall['route'][]> = {
  // The last two belong to a repeat with the same Idempotency-Key.
  beginUpload: [
    ...['mint-token', 'begin-multipart', 'begin-simple', 'create-directory'],
    ...['renew', 'cancel'],
  ] as RecordedCall['route'][],
  instantUpload: ['mint-token', 'begin-multipart', 'create-directory', 'renew'],
  listUploads: [],
  getUpload: ['mint-token', 'status'],
  renewUpload: ['mint-token', 'renew'],
  completeUpload: ['mint-token', 'status', 'confirm', 'file-info', 'directory-info'],
  abortUpload: ['mint-token', 'cancel'],
}

/**
 * The calls to SMH that this request may cause: none unless the document allows the request and its sender
 * may make it. Shares no code with the gateway.
 */
export function permittedCalls(request: FuzzRequest, world: FuzzWorld): RecordedCall['route'][] {
  const named = operationAt(request)
  if (!named || !userOf(request)) return []
  const { operation, confirmKey } = named
  if (confirmKey !== undefined) {
    if (request.as !== 'owner' || !world.confirmKeys.includes(confirmKey)) return []
  }
  if (!bodyAllowed(operation, request)) return []
  return callsOf[operation.id] ?? []
}

/** The user whose folder and tasks a call to SMH may name. */
export function userOf({ as }: FuzzRequest): string | undefined {
  return { owner: 'ann', other: 'bob', anonymous: undefined, forged: undefined }[as]
}

/** The path of a target as a browser would read it. */
export function pathOf(target: string): string {
  return URL.canParse(`http://gateway${target}`) ? new URL(`http://gateway${target}`).pathname : ''
}

/** The operation that a request asks for. */
function operationAt({ method, target }: FuzzRequest) {
  const segments = pathOf(target).split('/').map(decoded)
  const asked = method === 'HEAD' ? 'GET' : method
  for (const operation of uploadOperations) {
    const wanted = operation.path.split('/')
    if (operation.method !== asked || wanted.length !== segments.length) continue
    const index = wanted.indexOf('{confirmKey}')
    if (!wanted.every((segment, at) => at === index || segment === segments[at])) continue
    return { operation, confirmKey: segments[index] }
  }
  return undefined
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function bodyAllowed({ body, bodyRequired, allowsBody }: Operation, request: FuzzRequest): boolean {
  const bytes = request.body ?? new Uint8Array()
  if (!body) return true
  if (bytes.length > 64 * 1024) return false
  const type = request.headers.findLast(([name]) => name === 'content-type')?.[1]
  if (type === undefined && bytes.length > 0) return false
  if (type && !/^application\/json *(;|$)/i.test(type)) return false
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    if (text.trim() === '') return !bodyRequired
    return allowsBody(JSON.parse(text))
  } catch {
    return false
  }
}

const ourHeaders =
  /^(host|connection|content-type|content-length|accept-encoding|cache-control|pragma|cf-[a-z-]+)$/
const ourQuery =
  /^(access_token|user_id|filesize|conflict_resolution_strategy|traffic_limit|prefer_same_origin|multipart|upload|renew|confirm|info)$/

/** Checks that a call to SMH stays in the user's folder, and has no character that breaks parsers. */
export function checkSmhCall(call: RecordedCall, user: string, libraryId: string): void {
  const said = `${call.method} ${call.path}`
  if (call.route === 'mint-token') return
  expect(call.query.user_id, said).toBe(user)
  expect(
    Object.keys(call.query).filter((name) => !ourQuery.test(name)),
    said,
  ).toEqual([])
  for (const [name, value] of Object.entries(call.headers)) {
    expect(name, said).toMatch(/^x-smh-meta-[a-z0-9][a-z0-9._-]*$|^[a-z-]+$/)
    const isOfBun = onBun && ['accept', 'user-agent'].includes(name)
    if (!name.startsWith('x-smh-meta-') && !isOfBun) expect(name, said).toMatch(ourHeaders)
    expect(value, said).toMatch(/^[\x20-\x7e]*$/)
  }
  if (call.body) {
    JSON.parse(call.body, (name, value) => {
      expect(name, said).toMatch(/^\w{0,32}$/)
      expect(name, said).not.toBe('__proto__')
      if (typeof value !== 'string') return value
      expect(value.isWellFormed(), said).toBe(true)
      expect(value, said).not.toMatch(/\p{Cc}/u)
      return value
    })
  }
  checkSmhPath(call.path, user, libraryId)
}

/** Checks that the path is in the user's folder, or names a task, however often a reader decodes it. */
function checkSmhPath(raw: string, user: string, libraryId: string): void {
  const task = new RegExp(`^/api/v1/file/${libraryId}/-/[0-9a-f]{64}$`)
  if (task.test(raw)) return
  const folder = new RegExp(`^/api/v1/(file|directory)/${libraryId}/-/users/${user}(/|$)`)
  const levels = raw.split('/').length
  let path = raw
  for (let times = 0; times < 4; times += 1) {
    expect(path).toMatch(folder)
    expect(path.split('/').filter((segment) => /^\.{0,2}$/.test(segment))).toEqual([''])
    expect(path.split('/')).toHaveLength(levels)
    const lookAlikes = path.normalize('NFKC').split(/[/\u2044\u2215]/)
    expect(lookAlikes.filter((segment) => /^\.{1,2}$/.test(segment))).toEqual([])
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
    expect(path).not.toMatch(/[\\\u0000-\u001f\u007f]/)
    const next = decoded(path)
    if (next === path) break
    path = next
  }
}

/** Checks what every response of the gateway must have and must not have. */
export async function checkAnswer(
  { method, target }: FuzzRequest,
  answer: Response,
  secrets: readonly string[],
): Promise<void> {
  const text = await answer.clone().text()
  const said = `${method} ${target}: ${answer.status} ${text.slice(0, 300)}`
  const { headers } = answer
  expect(answer.status, said).toBeLessThan(500)
  // The HTTP server itself answers what HTTP does not allow, such as a backslash in a target.
  if ([400, 414, 431].includes(answer.status) && !headers.has('x-request-id')) {
    expect(text, said).not.toMatch(/Error|\bat /)
    return
  }
  expect(headers.get('x-request-id'), said).toMatch(/^[\w=-]{1,255}$/)
  expect(headers.get('x-content-type-options'), said).toBe('nosniff')
  expect(headers.get('set-cookie'), said).toBeNull()
  expect(headers.get('access-control-allow-origin'), said).toBeNull()
  if (/^\/v1(\/|$)/.test(pathOf(target))) {
    expect(headers.get('cache-control'), said).toBe('no-store')
  }
  if (answer.status >= 400 && method !== 'HEAD') {
    expect(headers.get('content-type'), said).toBe('application/problem+json')
    const problem = JSON.parse(text)
    expect(problemErrors(problem), said).toBeUndefined()
    expect([problem.status, problem.requestId], said).toEqual([
      answer.status,
      headers.get('x-request-id'),
    ])
  }
  const all = text + JSON.stringify([...headers])
  for (const secret of secrets) expect(all.includes(secret), said).toBe(false)
}
