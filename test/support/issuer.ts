import { decodeProtectedHeader } from 'jose'
import { onTestFinished } from 'vitest'
import { startDemoIssuer } from '../../src/demo/demo-users.ts'
import { createAuthenticate } from '../../src/gateway/auth/authenticate.ts'
import { createJwksCache } from '../../src/gateway/auth/jwks-cache.ts'
import type { JwtConfig } from '../../src/gateway/config/parse.ts'
import {
  type HttpClient,
  HttpClientError,
  type HttpRequest,
} from '../../src/gateway/http-client.ts'
import type { LogLevel, LogRecord, SingleFlight } from '../../src/gateway/ports.ts'
import { createSingleFlight } from '../../src/gateway/runtimes/shared/single-flight.ts'

/**
 * A real issuer on a loopback port, the parts that check its tokens, and clocks that only `advance`
 * moves. Ends with the test.
 */
export async function startIssuerHarness({
  jwt = {},
  singleFlight = createSingleFlight(),
  timeoutMs = 5_000,
  maxInFlight = 512,
  request = requestByFetch,
}: {
  jwt?: Partial<JwtConfig>
  singleFlight?: SingleFlight
  timeoutMs?: number
  maxInFlight?: number
  request?: HttpClient['request']
} = {}) {
  let now = Date.parse('2026-03-04T05:06:07.890Z')
  let lasted = 0
  const clock = () => now
  const monotonicClock = () => lasted
  const issuer = await startDemoIssuer({ now: clock })
  onTestFinished(() => issuer.close())

  const calls: HttpRequest[] = []
  const httpClient: HttpClient = {
    request(wanted) {
      calls.push(wanted)
      return request(wanted)
    },
  }
  const logged: (LogRecord & { level: LogLevel })[] = []
  const config: JwtConfig = {
    issuer: issuer.issuer,
    audiences: ['another', issuer.audience],
    jwksUrl: undefined,
    algorithms: ['RS256', 'PS256', 'ES256', 'EdDSA'],
    userClaim: 'sub',
    requiredScope: undefined,
    clockToleranceSeconds: 5,
    cacheSeconds: 60,
    ...jwt,
  }
  const log = (level: LogLevel, record: LogRecord) => logged.push({ level, ...record })
  const keys = createJwksCache({
    jwt: config,
    httpClient,
    monotonicClock,
    singleFlight,
    log,
    timeoutMs,
    maxInFlight,
  })
  const authenticate = createAuthenticate({ jwt: config, keys, clock })
  const works: Promise<void>[] = []
  const background = (work: Promise<void>) => works.push(work)

  return {
    issuer,
    calls,
    logged,
    keys,
    clock,
    monotonicClock,
    config,
    advance(milliseconds: number) {
      now += milliseconds
      lasted += milliseconds
    },
    /** As time servers do: it is another date, and no time has passed. */
    setClock(milliseconds: number) {
      now += milliseconds
    },
    /** The user that this header or this token stands for. */
    authenticate: (authorization: string | undefined) => authenticate(authorization, background),
    user: (token: string) => authenticate(`Bearer ${token}`, background),
    /** The key that this token's header asks for. */
    keyOf: (token: string) => {
      const header = decodeProtectedHeader(token) as { alg: string }
      return keys.key(header, { payload: '', signature: '' }, background)
    },
    /** Resolves to how many pieces of background work there were, when they are done. */
    async settle(): Promise<number> {
      return (await Promise.all(works.splice(0))).length
    },
  }
}

export type IssuerHarness = Awaited<ReturnType<typeof startIssuerHarness>>

const requestByFetch: HttpClient['request'] = async ({ method, url, headers = {}, timeoutMs }) => {
  try {
    const signal = AbortSignal.timeout(timeoutMs)
    const reply = await fetch(url, { method, headers, redirect: 'manual', signal })
    const text = await reply.text()
    return { status: reply.status, header: (name) => reply.headers.get(name) ?? undefined, text }
  } catch (error) {
    throw new HttpClientError(
      (error as Error).name === 'TimeoutError' ? 'timeout' : 'connection_lost',
    )
  }
}
