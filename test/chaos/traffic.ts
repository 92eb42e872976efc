import type { Attempt } from './journal.ts'

/** One request of a begin. Times are milliseconds since the epoch. */
export interface BeginRequest {
  sentAt: number
  /** Undefined without a whole response. */
  answeredAt: number | undefined
  status: number | undefined
  confirmKey: string | undefined
}

/** All requests with one Idempotency-Key. */
export interface LogicalBegin {
  attemptId: string
  user: string
  method: 'simple' | 'multipart' | 'instant'
  requests: BeginRequest[]
}

/** What responses have told a user about one confirm key. Times are milliseconds since the epoch. */
export interface KeyLife {
  attemptId: string
  user: string
  begin: LogicalBegin
  learnedAt: number
  /** When the owner first sent a request that may end the upload. */
  endSentAt: number | undefined
  /** When a response first said that the upload is stored or gone. */
  endedAt: number | undefined
}

/** One response to a request for the open uploads. */
export interface ReceivedList {
  user: string
  sentAt: number
  answeredAt: number
  uploads: { confirmKey: string; path: string[]; size: number }[]
}

/** All requests of users to the gateways, as their users see them. */
export interface Traffic {
  /** By Idempotency-Key. */
  begins: Map<string, LogicalBegin>
  /** By confirm key. */
  lives: Map<string, KeyLife>
  lists: ReceivedList[]
}

export function createTraffic(): Traffic {
  return { begins: new Map(), lives: new Map(), lists: [] }
}

type Recorded = (response?: { status: number; text: string }) => void

const NOTHING: Recorded = () => {}

/**
 * Sends one request of a user and records it. Reads the whole body: a response that breaks off counts as lost.
 *
 * @param attempt required for begins. Its id and the Idempotency-Key are sent as metadata, so that a call to SMH and a
 *   stored file name them. A client that begins a simple upload again does not repeat the metadata of the first begin
 */
export async function sendRecorded(
  traffic: Traffic,
  user: string,
  attempt: Attempt | undefined,
  target: string,
  init: RequestInit = {},
): Promise<Response> {
  const { pathname } = new URL(target)
  const method = init.method ?? 'GET'
  const headers = new Headers(init.headers)
  const isBegin = method === 'POST' && /^\/v1\/(instant-)?uploads$/.test(pathname)
  let record = NOTHING
  if (isBegin && attempt) {
    const key = (headers.get('Idempotency-Key') ?? '').replaceAll('"', '')
    headers.set('x-smh-meta-upload', attempt.id)
    headers.set('x-smh-meta-begin', key)
    record = recordBegin(traffic, user, attempt, key, pathname, String(init.body))
  } else if (method === 'GET' && pathname === '/v1/uploads') {
    record = recordList(traffic, user)
  } else {
    record = recordUse(traffic, user, method, pathname)
  }
  const response = await fetch(target, { ...init, headers })
  const text = response.body && (await response.text())
  record({ status: response.status, text: text ?? '' })
  return new Response(text, { status: response.status, headers: response.headers })
}

function recordBegin(
  { begins, lives }: Traffic,
  user: string,
  attempt: Attempt,
  key: string,
  pathname: string,
  body: string,
): Recorded {
  const simple = body.includes('"method":"simple"') ? 'simple' : 'multipart'
  const method = pathname.endsWith('/instant-uploads') ? 'instant' : simple
  const begin = begins.get(key) ?? { attemptId: attempt.id, user, method, requests: [] }
  begins.set(key, begin)
  const sentAt = Date.now()
  const request: BeginRequest = {
    sentAt,
    answeredAt: undefined,
    status: undefined,
    confirmKey: undefined,
  }
  begin.requests.push(request)
  // A repeated begin of a simple upload replaces the upload.
  for (const life of lives.values()) {
    if (method === 'simple' && life.begin === begin) life.endSentAt ??= sentAt
  }
  return (response) => {
    request.answeredAt = Date.now()
    request.status = response?.status
    const confirmKey = confirmKeyIn(parsed(response?.text))
    if (request.status === undefined || request.status >= 300 || !confirmKey) return
    request.confirmKey = confirmKey
    attempt.confirmKeys.add(confirmKey)
    if (lives.has(confirmKey)) return
    const unknown = { endSentAt: undefined, endedAt: undefined }
    const learnedAt = request.answeredAt
    lives.set(confirmKey, { attemptId: attempt.id, user, begin, learnedAt, ...unknown })
  }
}

function recordList({ lists }: Traffic, user: string): Recorded {
  const sentAt = Date.now()
  return (response) => {
    if (response?.status !== 200) return
    const { uploads } = parsed(response.text) as Pick<ReceivedList, 'uploads'>
    lists.push({ user, sentAt, answeredAt: Date.now(), uploads })
  }
}

/** Records a request with a confirm key. */
function recordUse({ lives }: Traffic, user: string, method: string, pathname: string): Recorded {
  const [, encoded = '', action] = /^\/v1\/uploads\/([^/]+)(?:\/(\w+))?$/.exec(pathname) ?? []
  const life = lives.get(decodeURIComponent(encoded))
  if (!life || life.user !== user) return NOTHING
  const mayEnd = method === 'DELETE' || action === 'complete'
  if (mayEnd) life.endSentAt ??= Date.now()
  return (response) => {
    if (!response) return
    const { code } = (parsed(response.text) ?? {}) as { code?: string }
    const isOver = code === 'upload_not_found' || code === 'upload_complete'
    if ((mayEnd && response.status < 300) || isOver) life.endedAt ??= Date.now()
  }
}

function confirmKeyIn(body: unknown): string | undefined {
  const { confirmKey, credentials } = (body ?? {}) as {
    confirmKey?: string
    credentials?: { confirmKey: string }
  }
  return confirmKey ?? credentials?.confirmKey
}

function parsed(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '')
  } catch {
    return undefined
  }
}
