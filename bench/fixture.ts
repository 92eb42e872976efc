import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { type DemoIssuer, startDemoIssuer } from '../src/demo/demo-users.ts'
import { ask } from './processes.ts'

/** Calls that the upstream has received. */
export interface UpstreamCalls {
  mint: number
  begin: number
  /** Begins without a response, and those of them whose client has aborted them. */
  stalled: number
  aborted: number
}

/** What the upstream has received with its last begin. */
export interface LastBegin {
  url: string
  metadata: string
  body: string
}

/** What all servers share: an issuer, an upstream that responds immediately, and user tokens. */
export interface Fixture {
  issuer: DemoIssuer
  environment: Record<string, string>
  upstreamUrl: string
  upstreamCalls(): Promise<UpstreamCalls>
  lastBegin(): Promise<LastBegin>
  tokens(users: number): Promise<string[]>
  close(): Promise<void>
}

/** Longer than any run, so that no token expires during one. */
const DAY_SECONDS = 24 * 60 * 60

export async function startFixture(): Promise<Fixture> {
  const issuer = await startDemoIssuer()
  const upstream: ChildProcess = fork(fileURLToPath(new URL('./upstream.ts', import.meta.url)))
  const [{ url }] = await once(upstream, 'message')
  const discovery = await fetch(`${issuer.issuer}/.well-known/openid-configuration`)
  const { jwks_uri } = await discovery.json()
  return {
    issuer,
    upstreamUrl: url,
    environment: {
      SMH_LIBRARY_ID: 'smhbench',
      SMH_LIBRARY_SECRET: 'a secret for a library that does not exist',
      SMH_ENDPOINT: url,
      JWT_ISSUER: issuer.issuer,
      JWT_AUDIENCE: issuer.audience,
      JWT_JWKS_URL: jwks_uri,
      UPLOAD_PATH_PREFIX: 'users/{sub}',
      // High enough never to be reached: requests are still counted.
      RATE_LIMIT_PER_MINUTE: '1000000',
      // No upload is completed. The newest 200 of each user are kept all the same.
      UPLOAD_MAX_OPEN: '0',
      PORT: '0',
    },
    upstreamCalls: () => ask<UpstreamCalls>(upstream, 'calls'),
    lastBegin: () => ask<LastBegin>(upstream, 'last-begin'),
    async tokens(users) {
      const tokens: string[] = []
      for (let user = 0; user < users; user += 1) {
        tokens.push(await issuer.token({ sub: `user-${user}`, expiresInSeconds: DAY_SECONDS }))
      }
      return tokens
    },
    async close() {
      upstream.kill()
      await issuer.close()
    },
  }
}
