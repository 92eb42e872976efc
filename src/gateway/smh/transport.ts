import type * as z from 'zod'
import {
  type AbortSignalLike,
  type HttpClient,
  HttpClientError,
  type HttpRequest,
  type HttpResponse,
} from '../http-client.ts'
import type { Metrics } from '../ports.ts'
import { hadNoEffect, meaningOf } from './error-codes.ts'
import { reasonOf } from './failure-log.ts'
import { parseJson } from './json.ts'
import { errorReply, requestIdShape } from './replies.ts'
import { createRetryBudget, type RetryBudget } from './retry-budget.ts'
import { type Refusal, SmhError, type SmhFailure } from './smh-error.ts'

/** Limits the work for one request, and reports whether the client has disconnected. */
export interface CallLimits {
  /** On the clock of `performance.now()`, milliseconds. */
  deadline: number
  signal?: AbortSignalLike | undefined
}

export interface SmhRequest {
  /** For metrics. */
  operation: string
  method: HttpRequest['method']
  /** Below `/api/v1`, every segment encoded. */
  path: string
  /**
   * A query flag without a value (docs/smh-protocol.md#2.1) that selects the operation, such as `confirm`.
   */
  flag?: string | undefined
  /** Entries without a value are left out. */
  query: Record<string, string | number | boolean | undefined>
  headers?: Readonly<Record<string, string>>
  body?: unknown
  timeoutMs?: number
  /**
   * Whether a retry is safe when the first try may have taken effect. A call that SMH has not processed is
   * retried in any case.
   */
  repeatable: boolean
  /** Whether this refusal is expected. Metrics count it as a success. */
  isExpected?: (refusal: Refusal) => boolean
  /** Maximum length of the response. Default: {@link MAX_RESPONSE_CHARACTERS}. */
  maxResponseCharacters?: number
  /** The user of the call. Undefined for a call that serves all users. */
  user?: string | undefined
}

/** Sends calls to SMH, with a timeout, and retries where that is safe. Rejects only with SmhError. */
export type SmhTransport = (request: SmhRequest, limits: CallLimits) => Promise<SmhResponse>

export interface SmhResponse {
  status: number
  /**
   * SMH's `X-Request-Id`, which identifies the call to SMH's support. Undefined when its format is
   * unexpected.
   */
  requestId: string | undefined
  /** Whether the body is an object with this field. */
  has(field: string): boolean
  /**
   * Reads the body by `schema`, an empty body as null.
   *
   * @throws SmhError `invalid_response`
   */
  read<T extends z.ZodType>(schema: T): z.infer<T>
}

/** Responses have a few thousand characters. The largest value in them is COS's security token. */
const MAX_RESPONSE_CHARACTERS = 64 * 1024

/** Maximum number of tries, including the first. */
const MAX_TRIES = 3

/** Maximum wait between two tries. A longer `Retry-After` from SMH is passed on to the client. */
export const MAX_WAIT_MS = 500

/** Average wait before the second try. It doubles before the third. */
const FIRST_WAIT_MS = 50

/** A timer that fires this late shows that this process was suspended, and not that SMH is slow. */
const LATE_MS = 1_000

/**
 * @param endpoint scheme, host and port of SMH
 * @param timeoutMs for one try. Default for calls without their own timeout
 * @param budget of retries, for all calls together
 */
export function createSmhTransport(
  endpoint: string,
  timeoutMs: number,
  httpClient: HttpClient,
  metrics: Metrics,
  budget: RetryBudget = createRetryBudget(() => performance.now()),
): SmhTransport {
  return async function send(request, limits) {
    const url = `${endpoint}/api/v1${request.path}?${queryString(request)}`
    const body = request.body === undefined ? undefined : JSON.stringify(request.body)
    const headers =
      body === undefined
        ? request.headers
        : { ...request.headers, 'content-type': 'application/json' }
    const wantedMs = request.timeoutMs ?? timeoutMs
    budget.earn(request.user)
    for (let tries = 1; ; tries += 1) {
      const startedAt = performance.now()
      const leftMs = limits.deadline - startedAt
      if (leftMs <= 0) throw new SmhError({ kind: 'timeout', cause: 'deadline' })
      const dueMs = Math.min(wantedMs, leftMs)
      try {
        const response = readResponse(
          await httpClient.request({
            method: request.method,
            url,
            headers,
            body,
            timeoutMs: dueMs,
            signal: limits.signal,
          }),
          request.maxResponseCharacters ?? MAX_RESPONSE_CHARACTERS,
        )
        metrics.calledOut(request.operation, 'ok', performance.now() - startedAt)
        return response
      } catch (thrown) {
        const tookMs = performance.now() - startedAt
        const error =
          thrown instanceof HttpClientError
            ? new SmhError(failureOf(thrown, leftMs < wantedMs / 2, tookMs > dueMs + LATE_MS))
            : thrown
        const failure = error instanceof SmhError ? error.failure : undefined
        metrics.calledOut(request.operation, outcomeOf(failure, request), tookMs)
        const mayRetry = failure !== undefined && isRetryable(failure, request.repeatable)
        if (!mayRetry || tries === MAX_TRIES || !budget.spend(request.user)) throw error
      }
      await wait(FIRST_WAIT_MS * 2 ** (tries - 1))
    }
  }
}

/** 50 to 150 % of `ms`, so that calls that failed together are not retried together. */
function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms * (0.5 + Math.random())))
}

/** Statuses of temporary failures of servers and proxies. */
const passing = new Set([408, 500, 502, 503, 504])

/** Whether a retry may succeed and is safe: SMH must not process a call twice that is not `repeatable`. */
function isRetryable(failure: SmhFailure, repeatable: boolean): boolean {
  switch (failure.kind) {
    case 'connect_failed':
      return true
    case 'connection_lost':
      return repeatable
    case 'refused':
      if (asksForLater(failure)) return false
      return hadNoEffect(failure) || (repeatable && passing.has(failure.status))
    case 'timeout':
    case 'invalid_response':
    case 'aborted':
    case 'circuit_open':
      return false
  }
}

/** Whether SMH asks for a longer wait than {@link MAX_WAIT_MS}. */
export function asksForLater({ retryAfterSeconds = 0 }: Refusal): boolean {
  return retryAfterSeconds * 1000 > MAX_WAIT_MS
}

/** The label of a failed call in metrics. */
function outcomeOf(failure: SmhFailure | undefined, { isExpected }: SmhRequest): string {
  if (!failure) return 'internal_error'
  if (failure.kind !== 'refused') return reasonOf(failure) ?? failure.kind
  return isExpected?.(failure) ? 'ok' : (reasonOf(failure) ?? meaningOf(failure))
}

/**
 * @param hurried whether the call had much less time than its timeout
 * @param late whether the timer fired long after it was due
 */
function failureOf({ kind }: HttpClientError, hurried: boolean, late: boolean): SmhFailure {
  switch (kind) {
    case 'no_descriptor':
      return { kind: 'connect_failed', noDescriptor: true }
    case 'connect_failed':
      return { kind, noDescriptor: false }
    case 'connection_lost':
    case 'aborted':
      return { kind }
    case 'timeout':
      if (late) return { kind, cause: 'machine' }
      return { kind, cause: hurried ? 'deadline' : 'smh' }
    case 'too_large':
      return { kind: 'invalid_response', problem: kind }
  }
}

function refusalIn(response: HttpResponse): Refusal {
  const text = response.text.length > MAX_RESPONSE_CHARACTERS ? '' : response.text
  const parsed = errorReply.safeParse(parseJson(text))
  const retryAfter = response.header('retry-after')
  return {
    kind: 'refused',
    status: response.status,
    code: parsed.data?.code,
    requestId: parsed.data?.requestId,
    retryAfterSeconds: retryAfter && /^\d{1,6}$/.test(retryAfter) ? Number(retryAfter) : undefined,
  }
}

/** @throws SmhError `refused` for a status of failure, `invalid_response` for a text that is too long */
function readResponse(response: HttpResponse, maxCharacters: number): SmhResponse {
  if (response.status < 200 || response.status > 299) throw new SmhError(refusalIn(response))
  if (response.text.length > maxCharacters) {
    throw new SmhError({ kind: 'invalid_response', problem: 'too_large' })
  }
  return new ParsedResponse(response)
}

class ParsedResponse implements SmhResponse {
  readonly status: number
  readonly requestId: string | undefined
  readonly #body: unknown

  constructor({ status, text, header }: HttpResponse) {
    const requestId = header('x-request-id')
    this.status = status
    this.requestId =
      requestId !== undefined && requestIdShape.test(requestId) ? requestId : undefined
    this.#body = text === '' ? null : parseJson(text)
  }

  has(field: string): boolean {
    return typeof this.#body === 'object' && this.#body !== null && Object.hasOwn(this.#body, field)
  }

  read<T extends z.ZodType>(schema: T): z.infer<T> {
    const { success, data } = schema.safeParse(this.#body)
    if (success) return data
    throw new SmhError({ kind: 'invalid_response', problem: 'shape', status: this.status })
  }
}

function queryString({ flag, query }: SmhRequest): string {
  let text = flag ?? ''
  for (const name in query) {
    const value = query[name]
    if (value === undefined) continue
    if (text !== '') text += '&'
    text += `${name}=${encodeURIComponent(value)}`
  }
  return text
}
