import type { BeginPacer } from './begin-pacer.ts'
import { retryAfterMs, untilByServer } from './clock.ts'
import { hasCode, UploadError } from './errors.ts'
import type {
  BeginUpload,
  CompleteUpload,
  InstantUpload,
  OpenUpload,
  StoredFile,
  UploadCredentials,
  UploadStatus,
} from './gateway-types.ts'
import { hexOf } from './hashes.ts'
import {
  isCredentials,
  isInstantUploadResult,
  isOpenUploads,
  isProblem,
  isStoredFile,
  isUploadStatus,
  readText,
} from './responses.ts'
import { isTemporary, type Retrying } from './retry.ts'

/** Longer than any response of the gateway takes. */
const CALL_TIMEOUT_MS = 3 * 60_000
/** Limits how long an abort may take, retries included. */
const ABORT_TIMEOUT_MS = 10_000
/** The longest response, a status with 10,000 parts, has 1.5 million characters. */
const MAX_RESPONSE_CHARS = 4 * 1024 * 1024

/** Credentials for sending parts, and their lifetime: NaN when the gateway does not send it. */
export interface SignedCredentials {
  credentials: UploadCredentials
  lifetimeMs: number
}

/** The outcome of an instant upload. */
export type InstantOutcome =
  | { kind: 'stored'; file: StoredFile }
  | { kind: 'full_hash_required' }
  | { kind: 'upload_required'; signed: SignedCredentials }

export interface GatewayOptions {
  gateway: URL
  getToken: () => string | Promise<string>
  fetch: typeof globalThis.fetch
  retrying: Retrying
  /** All uploads of a client share it. */
  pacer: BeginPacer
}

interface GatewayResponse {
  status: number
  headers: Headers
  body: unknown
}

interface Call {
  method: 'GET' | 'POST' | 'DELETE'
  /** The path after `/v1`. */
  path: string
  headers?: Record<string, string>
  body?: object
  signal?: AbortSignal
}

export type Gateway = ReturnType<typeof createGateway>

/** The gateway's operations for one user. Each is retried where a repetition is safe. */
export function createGateway({ gateway, getToken, fetch, retrying, pacer }: GatewayOptions) {
  // The gateway's URL may have a path.
  const base = `${gateway.origin}${gateway.pathname.replace(/\/$/, '')}/v1`

  /** Sends one request, or two when the gateway rejects the first token. */
  async function call(wanted: Call): Promise<GatewayResponse> {
    return requireSuccess(await authorized(wanted))
  }

  async function authorized(wanted: Call): Promise<GatewayResponse> {
    const response = await send(wanted)
    return response.status === 401 ? send(wanted) : response
  }

  async function send({ method, path, headers, body, signal }: Call): Promise<GatewayResponse> {
    const token = await tokenOf(getToken)
    const timeout = AbortSignal.timeout(CALL_TIMEOUT_MS)
    try {
      const reply = await fetch(base + path, {
        method,
        headers: {
          ...headers,
          Authorization: `Bearer ${token}`,
          ...(body && { 'Content-Type': 'application/json' }),
        },
        ...(body && { body: JSON.stringify(body) }),
        credentials: 'omit',
        // A redirect would reveal the upload to another server.
        redirect: 'error',
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      })
      const text = await readText(reply, MAX_RESPONSE_CHARS)
      return { status: reply.status, headers: reply.headers, body: parsed(text) }
    } catch (cause) {
      signal?.throwIfAborted()
      throw unreachable(cause)
    }
  }

  const pathOf = (confirmKey: string, action = '') =>
    `/uploads/${encodeURIComponent(confirmKey)}${action}`
  const repeat = (wanted: Call, signal: AbortSignal) =>
    retrying(() => call({ ...wanted, signal }), { signal })

  /**
   * Begins an upload. All attempts have one Idempotency-Key, so the gateway begins one upload. The signal
   * ends waits but no request, because only the response names the upload to abort.
   */
  async function beginBy(
    path: string,
    body: BeginUpload & Pick<InstantUpload, 'fullHash'>,
    headers: Record<string, string>,
    signal: AbortSignal,
    idempotencyKey = newKey(),
  ): Promise<GatewayResponse> {
    const keyed = { ...headers, 'Idempotency-Key': idempotencyKey }
    const wanted: Call = { method: 'POST', path, headers: keyed, body }
    let mayHaveBegun = false
    async function attempt() {
      const answered = pacer.sends()
      const response = await authorized(wanted).finally(answered)
      pacer.learn(response.headers)
      return requireSuccess(response)
    }
    function begin() {
      return attempt().catch((error) => {
        mayHaveBegun ||= hasCode(error, 'network') || error.status >= 500
        throw error
      })
    }
    try {
      return await retrying(begin, {
        signal,
        delayMs: pacer.take,
        // With the full hash SMH may store the file at once. The gateway keeps no failed outcome, and a
        // gateway that ends may lose the outcome. A repeat would then store the file twice.
        repeatable: (error) =>
          body.fullHash === undefined ? isTemporary(error) : provesNoEffect(error),
      })
    } catch (error) {
      // A repeat returns the upload that a lost response has named, so that it can be aborted.
      if (!signal.aborted || !mayHaveBegun || body.fullHash) throw error
      return call({ ...wanted, signal: AbortSignal.timeout(ABORT_TIMEOUT_MS) })
    }
  }

  return {
    async begin(
      body: BeginUpload,
      headers: Record<string, string>,
      signal: AbortSignal,
      idempotencyKey?: string,
    ): Promise<SignedCredentials> {
      const response = await beginBy('/uploads', body, headers, signal, idempotencyKey)
      return signedCredentialsOf(response, bodyOf(response, isCredentials))
    },

    /** Begins with hashes: SMH may have the file. */
    async instant(
      body: InstantUpload,
      headers: Record<string, string>,
      signal: AbortSignal,
    ): Promise<InstantOutcome> {
      const response = await beginBy('/instant-uploads', body, headers, signal)
      const { outcome, file, credentials } = bodyOf(response, isInstantUploadResult)
      if (outcome === 'stored' && file) return { kind: outcome, file }
      if (outcome === 'full_hash_required') return { kind: outcome }
      if (outcome === 'upload_required' && credentials) {
        return { kind: outcome, signed: signedCredentialsOf(response, credentials) }
      }
      throw invalidResponse(response)
    },

    async status(confirmKey: string, signal: AbortSignal): Promise<UploadStatus> {
      const response = await repeat({ method: 'GET', path: pathOf(confirmKey) }, signal)
      return bodyOf(response, isUploadStatus)
    },

    /** The uploads that the user has begun and neither completed nor aborted, newest first. */
    async list(signal: AbortSignal): Promise<OpenUpload[]> {
      const response = await repeat({ method: 'GET', path: '/uploads' }, signal)
      return bodyOf(response, isOpenUploads).uploads
    },

    /** Whether one request reaches the gateway now. */
    async isReachable(confirmKey: string, signal: AbortSignal): Promise<boolean> {
      const sent = send({ method: 'GET', path: pathOf(confirmKey), signal })
      return sent.then(
        () => true,
        () => false,
      )
    },

    async renew(
      confirmKey: string,
      trafficLimit: number | undefined,
      signal: AbortSignal,
    ): Promise<SignedCredentials> {
      const path = pathOf(confirmKey, '/renew')
      const body = trafficLimit === undefined ? {} : { trafficLimit }
      const response = await repeat({ method: 'POST', path, body }, signal)
      return signedCredentialsOf(response, bodyOf(response, isCredentials))
    },

    async complete(
      confirmKey: string,
      body: CompleteUpload,
      signal: AbortSignal,
    ): Promise<StoredFile> {
      const path = pathOf(confirmKey, '/complete')
      const response = await repeat({ method: 'POST', path, body }, signal)
      return bodyOf(response, isStoredFile)
    },

    async abort(confirmKey: string): Promise<void> {
      const signal = AbortSignal.timeout(ABORT_TIMEOUT_MS)
      await repeat({ method: 'DELETE', path: pathOf(confirmKey) }, signal).catch((error) => {
        throw signal.aborted ? unreachable(error) : error
      })
    },
  }
}

/** Whether the gateway says that the request has not reached SMH. */
function provesNoEffect({ code }: UploadError): boolean {
  return code === 'rate_limited' || code === 'overloaded'
}

function unreachable(cause: unknown): UploadError {
  const page = globalThis.location?.origin
  const hint = page ? ` Check that its CORS_ORIGINS contains ${page}.` : ''
  const message = `The gateway cannot be reached.${hint}`
  return new UploadError('network', message, { cause, retryable: true })
}

async function tokenOf(getToken: GatewayOptions['getToken']): Promise<string> {
  try {
    // An untyped app may return anything.
    const token: unknown = await getToken()
    if (typeof token === 'string' && /^[\x21-\x7e]+$/.test(token)) return token
    throw new TypeError('The token contains characters that are not allowed in a header.')
  } catch (cause) {
    throw new UploadError('token', 'getToken did not provide a token.', { cause })
  }
}

/** @throws UploadError unless the response is a success */
function requireSuccess(response: GatewayResponse): GatewayResponse {
  const { status, headers } = response
  if (status >= 200 && status < 300) return response
  const problem = isProblem(response.body) ? response.body : undefined
  const { code = 'bad_answer', requestId, errors, missingParts } = problem ?? {}
  const message = problem?.detail ?? `The gateway responded with status ${status}.`
  const faults = (errors ?? []).map((fault) => `${fault.field}: ${fault.message}`)
  throw new UploadError(code, [message, ...faults].join(' '), {
    status,
    requestId: requestId ?? headers.get('X-Request-Id') ?? undefined,
    retryable: isRetryable(status, code),
    errors,
    missingParts,
    retryAfterMs: retryAfterMs(headers),
  })
}

function isRetryable(status: number, code: string): boolean {
  // A wait does not end open uploads.
  if (code === 'too_many_open_uploads') return false
  // Not 507: the space is full.
  return code === 'request_in_progress' || [408, 429, 500, 502, 503, 504].includes(status)
}

/** @throws UploadError when the body is not one of the gateway */
function bodyOf<Body>(response: GatewayResponse, isRight: (body: unknown) => body is Body): Body {
  if (isRight(response.body)) return response.body
  throw invalidResponse(response)
}

function invalidResponse({ status }: GatewayResponse): UploadError {
  return new UploadError('bad_answer', 'The response does not come from the gateway.', { status })
}

function signedCredentialsOf(
  { headers }: GatewayResponse,
  credentials: UploadCredentials,
): SignedCredentials {
  return {
    credentials,
    lifetimeMs: untilByServer(headers, headers.get('Upload-Expires')),
  }
}

/** An Idempotency-Key. `randomUUID` exists only in secure contexts, this also elsewhere. */
function newKey(): string {
  return hexOf(crypto.getRandomValues(new Uint8Array(16)))
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
