import { crc64 } from 'hash-wasm'
import type { SmhTarget } from './smh-target.ts'

export interface Answer {
  status: number
  headers: Headers
  text: string
  body: Record<string, unknown>
}

export interface Task {
  domain: string
  path: string
  uploadId: string
  headers: Record<string, string>
  confirmKey: string
  expiration: string
}

export interface CallOptions {
  token?: string
  query?: Record<string, string>
  body?: unknown
  headers?: Record<string, string>
}

export const MIB = 1024 * 1024

/** Bytes of this number that the seed determines. */
export function filled(size: number, seed = 'a'): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.alloc(size, seed))
}

/** CRC64 as SMH writes it, over all pieces. */
export async function crc64Of(...pieces: Uint8Array[]): Promise<string> {
  return BigInt(`0x${await crc64(Buffer.concat(pieces))}`).toString()
}

/** A path with each segment encoded and the slashes left alone. */
export function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/')
}

async function readAnswer(response: Response): Promise<Answer> {
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.includes('json') === true && text !== ''
  const body = isJson ? (JSON.parse(text) as Record<string, unknown>) : {}
  return { status: response.status, headers: response.headers, text, body }
}

/** A client of SMH and COS for tests: one verb per call, plain responses. Uses the given `fetch`. */
export function createSmhClient(target: SmhTarget, fetchBy: typeof fetch = fetch) {
  const send = async (url: string, init: RequestInit) =>
    readAnswer(await fetchBy(url, { redirect: 'manual', ...init }))
  const { endpoint, libraryId, librarySecret, spaceId } = target

  /** One SMH call; `path` is what follows `/api/v1`. A query value of '' makes a bare flag. */
  function call(method: string, path: string, options: CallOptions = {}): Promise<Answer> {
    const query = { ...options.query, ...(options.token && { access_token: options.token }) }
    const pairs = Object.entries(query).map(([name, value]) => {
      return value === '' ? name : `${name}=${encodeURIComponent(value)}`
    })
    const { body, headers } = options
    return send(`${endpoint}/api/v1${path}?${pairs.join('&')}`, {
      method,
      headers: { ...(body !== undefined && { 'Content-Type': 'application/json' }), ...headers },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
  }

  async function mint(grant: string, query: Record<string, string> = {}): Promise<string> {
    const answer = await call('GET', '/token', {
      query: {
        library_id: libraryId,
        library_secret: librarySecret,
        ...(spaceId !== '-' && { space_id: spaceId }),
        grant,
        ...query,
      },
    })
    return String(answer.body.accessToken)
  }

  const file = (method: string, path: string, options?: CallOptions) =>
    call(method, `/file/${libraryId}/${spaceId}/${encodePath(path)}`, options)

  const directory = (method: string, path: string, options?: CallOptions) =>
    call(method, `/directory/${libraryId}/${spaceId}/${encodePath(path)}`, options)

  const begin = (token: string, path: string, options: CallOptions = {}) =>
    file('POST', path, { ...options, token, query: { multipart: '', ...options.query } })

  /** Begins an upload that must be accepted. */
  async function beginTask(token: string, path: string, options?: CallOptions): Promise<Task> {
    const answer = await begin(token, path, options)
    if (answer.body.confirmKey === undefined) throw new Error(`begin: ${answer.text}`)
    return answer.body as unknown as Task
  }

  const onTask = (method: string, flag: string) => (token: string, key: string, o?: CallOptions) =>
    file(method, key, { ...o, token, query: { [flag]: '', ...o?.query } })

  function putPart(
    task: Task,
    number: number,
    bytes: Uint8Array<ArrayBuffer>,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const address = `${target.cosScheme}://${task.domain}${task.path}`
    return send(`${address}?uploadId=${encodeURIComponent(task.uploadId)}&partNumber=${number}`, {
      method: 'PUT',
      headers: { ...task.headers, ...headers },
      body: bytes,
    })
  }

  const confirm = onTask('POST', 'confirm')

  /** Begins, sends all parts and confirms. Resolves to the response of confirm. */
  async function upload(
    token: string,
    path: string,
    parts: Uint8Array<ArrayBuffer>[],
    options?: CallOptions,
  ): Promise<Answer> {
    const task = await beginTask(token, path, options)
    for (const [index, bytes] of parts.entries()) await putPart(task, index + 1, bytes)
    return confirm(token, task.confirmKey, { body: { crc64: await crc64Of(...parts) } })
  }

  return {
    target,
    call,
    mint,
    file,
    directory,
    begin,
    beginTask,
    putPart,
    upload,
    confirm,
    renew: onTask('POST', 'renew'),
    status: onTask('GET', 'upload'),
    cancel: onTask('DELETE', 'upload'),
  }
}

export type SmhClient = ReturnType<typeof createSmhClient>
