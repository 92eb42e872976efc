import { retryAfterMs, untilByServer } from './clock.ts'
import { UploadError } from './errors.ts'
import type {
  BeginUpload,
  CompleteUpload,
  InstantUpload,
  StoredFile,
  UploadCredentials,
  UploadStatus,
} from './gateway-types.ts'
import {
  isCredentials,
  isInstantUploadResult,
  isProblem,
  isStoredFile,
  isUploadStatus,
  readText,
} from './responses.ts'
import type { Retrying } from './retry.ts'
import { isOffline } from './wait.ts'

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
export function createGateway({ gateway, getToken, fetch, retrying }: GatewayOptions) {
  // The gateway's URL may have a path.
  const base = `${gateway.origin}${gateway.pathname.replace(/\/$/, '')}/v1`

  /** Sends one request, or two when the gateway rejects the first token. */
  async function call(wanted: Call): Promise<GatewayResponse> {
    const response = await send(wanted)
    return requireSuccess(response.status === 401 ? await send(wanted) : response)
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
   * Begins an upload. A repeated begin leaves an unfinished upload; with the full hash it may store the
   * file twice. So it is retried only where SMH has not acted. The signal ends waits but no request,
   * because only the response names the upload to abort.
   */
  async function beginBy(
    path: string,
    body: BeginUpload & Pick<InstantUpload, 'fullHash'>,
    headers: Record<string, string>,
    signal: AbortSignal,
  ): Promise<GatewayResponse> {
    let unsent: unknown
    async function begin() {
      // A lost begin is not repeated, so it waits for the network. Once: `onLine` may be wrong.
      if (!isOffline() || unsent) return call({ method: 'POST', path, headers, body })
      unsent = unreachable(undefined)
      throw unsent
    }
    return retrying(begin, {
      signal,
      repeatable: (error) => {
        const { code, status, retryAfterMs } = error
        if (error === unsent) return true
        // Only these codes prove that the request has not reached SMH.
        if (body.fullHash !== undefined) return code === 'rate_limited' || code === 'overloaded'
        return (status === 429 || status === 503) && retryAfterMs !== undefined
      },
    })
  }

  return {
    async begin(
      body: BeginUpload,
      headers: Record<string, string>,
      signal: AbortSignal,
    ): Promise<SignedCredentials> {
      const response = await beginBy('/uploads', body, headers, signal)
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
    // Not 507: the space is full.
    retryable: [408, 429, 500, 502, 503, 504].includes(status),
    errors,
    missingParts,
    retryAfterMs: retryAfterMs(headers),
  })
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

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
