import { randomBytes } from 'node:crypto'
import { createServer, type ServerResponse } from 'node:http'
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import { listen } from './listen.ts'

/** The user of a token, and its other claims. */
export interface DemoUser {
  sub: string
  /** Space-separated. */
  scope?: string
  /** More claims. They override the usual ones; undefined removes a claim. */
  claims?: Record<string, unknown>
  /** Default: 3600. */
  expiresInSeconds?: number
}

/** The two documents that an issuer publishes. */
type IssuerDocument = 'discovery' | 'keys'

/** A response that replaces a document of the issuer. A string body is sent as it is, others as JSON. */
interface Rehearsed {
  /** Default: 200. */
  status?: number
  body: unknown
}

export type Rehearse = (
  document: IssuerDocument,
  usual: Record<string, unknown>,
) => Rehearsed | Promise<Rehearsed>

/** An issuer of user tokens for demos and tests, on a loopback address. */
export interface DemoIssuer {
  /** Value for `JWT_ISSUER`. */
  issuer: string
  /** Value for `JWT_AUDIENCE`. */
  audience: string
  /** Creates a valid token, signed with the current key. */
  token(user: DemoUser): Promise<string>
  /** Creates the same token, signed with a key that the issuer does not publish. */
  forgedToken(user: DemoUser): Promise<string>
  /** Replaces the signing key. The old key is no longer published. */
  rotateKeys(): Promise<void>
  /** How often each document was requested, also while down. */
  hits(): Record<IssuerDocument, number>
  /** While down, the issuer closes each connection without a response. */
  down(isDown: boolean): void
  /** Replaces each response with the result of `rehearse`. undefined restores the usual ones. */
  rehearse(rehearse: Rehearse | undefined): void
  close(): Promise<void>
}

interface SigningKey {
  privateKey: CryptoKey
  published: JWK
}

/** A user of the demo, with a display name. */
export interface NamedUser extends DemoUser {
  name: string
}

/** The users of the demo. The command line uploads as the first user. */
export const NAMED_USERS: readonly [NamedUser, NamedUser] = [
  { sub: 'ada', name: 'Ada' },
  { sub: 'boris', name: 'Boris' },
]

/**
 * Starts an issuer with a new ES256 key, a discovery document and a key set.
 *
 * @param options.port default: 0, any free port
 * @param options.now clock for the dates in tokens, in milliseconds since the epoch
 */
export async function startDemoIssuer({
  host = '127.0.0.1',
  port = 0,
  now = Date.now,
}: {
  host?: string
  port?: number
  now?: () => number
} = {}): Promise<DemoIssuer> {
  const audience = 'demo-uploads'
  const hits: Record<IssuerDocument, number> = { discovery: 0, keys: 0 }
  let signingKey = await newSigningKey()
  let isDown = false
  let rehearsal: Rehearse | undefined

  const server = createServer((request, response) => {
    const document = documentAt(request.url)
    if (document) hits[document] += 1
    if (isDown) request.socket.destroy()
    else if (document) void send(document, response)
    else response.writeHead(404).end()
  })
  const issuer = await listen(server, port, host)

  async function send(document: IssuerDocument, response: ServerResponse): Promise<void> {
    const usual =
      document === 'keys'
        ? { keys: [signingKey.published] }
        : {
            issuer,
            jwks_uri: `${issuer}/keys`,
            response_types_supported: ['id_token'],
            subject_types_supported: ['public'],
            id_token_signing_alg_values_supported: ['ES256'],
          }
    const sent: Rehearsed = rehearsal ? await rehearsal(document, usual) : { body: usual }
    response.writeHead(sent.status ?? 200, { 'content-type': 'application/json' })
    response.end(typeof sent.body === 'string' ? sent.body : JSON.stringify(sent.body))
  }

  function sign({ privateKey, published }: SigningKey, user: DemoUser): Promise<string> {
    const iat = Math.floor(now() / 1000)
    const { sub, scope, claims, expiresInSeconds = 3600 } = user
    return new SignJWT({
      iss: issuer,
      aud: audience,
      sub,
      iat,
      exp: iat + expiresInSeconds,
      ...(scope !== undefined && { scope }),
      ...claims,
    })
      .setProtectedHeader({ alg: 'ES256', kid: published.kid!, typ: 'JWT' })
      .sign(privateKey)
  }

  return {
    issuer,
    audience,
    token: (user) => sign(signingKey, user),
    forgedToken: async (user) => sign(await newSigningKey(), user),
    async rotateKeys() {
      signingKey = await newSigningKey()
    },
    hits: () => ({ ...hits }),
    down(value) {
      isDown = value
    },
    rehearse(value) {
      rehearsal = value
    },
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function newSigningKey(): Promise<SigningKey> {
  const { publicKey, privateKey } = await generateKeyPair('ES256')
  const kid = randomBytes(6).toString('hex')
  return {
    privateKey,
    published: { ...(await exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig' },
  }
}

function documentAt(url: string | undefined): IssuerDocument | undefined {
  if (url === '/.well-known/openid-configuration') return 'discovery'
  return url === '/keys' ? 'keys' : undefined
}
