import { createLocalJWKSet, type LocalJWKSet } from 'jose'
import * as z from 'zod'
import type { JwtConfig } from '../config/parse.ts'
import { isLoopback, parseTrustworthyUrl } from '../config/secure-url.ts'
import { type HttpClient, HttpClientError } from '../http-client.ts'
import type { IssuerKeysReason } from '../log-record.ts'
import { usableKeys } from './usable-keys.ts'

/**
 * Maximum number of keys in one set. Issuers have a handful. Checking more would take seconds at every
 * fetch.
 */
export const MAX_KEYS = 1_000

/** A key set as the issuer publishes it, without the keys that cannot verify tokens. */
export interface FetchedKeySet {
  /** jose's function that finds the key of a token. */
  find: LocalJWKSet
  /** All of the keys. A change of the text is a change of the keys. */
  text: string
  isEmpty: boolean
}

/** The issuer's response is not usable. */
export class JwksError extends Error {
  readonly reason: IssuerKeysReason
  /** The HTTP status, where it is the cause. */
  readonly status: number | undefined

  constructor(reason: IssuerKeysReason, status?: number) {
    super(`issuer keys: ${reason}`)
    this.name = 'JwksError'
    this.reason = reason
    this.status = status
  }
}

/** Fetches the issuer's documents. It has no state. */
export interface JwksClient {
  /**
   * The URL of the key set: `JWT_JWKS_URL`, otherwise from the discovery document (OpenID Connect Discovery
   * 1.0 §4).
   *
   * @param deadline by `performance.now()`, milliseconds
   * @throws HttpClientError; JwksError; errors of parsers, which may quote the document
   */
  findUrl(deadline: number): Promise<string>
  /** The key set at this URL. Throws like {@link findUrl}. */
  fetchKeySet(url: string, deadline: number): Promise<FetchedKeySet>
}

export function createJwksClient(jwt: JwtConfig, httpClient: HttpClient): JwksClient {
  async function getJson(url: string, deadline: number): Promise<unknown> {
    const { status, text } = await httpClient.request({
      method: 'GET',
      url,
      headers: { accept: 'application/json' },
      timeoutMs: Math.max(1, Math.ceil(deadline - performance.now())),
    })
    if (status !== 200) throw new JwksError('status', status)
    return JSON.parse(text)
  }

  return {
    async findUrl(deadline) {
      if (jwt.jwksUrl) return jwt.jwksUrl
      const base = jwt.issuer.replace(/\/$/, '')
      const document = await getJson(`${base}/.well-known/openid-configuration`, deadline)
      const { issuer, jwks_uri } = discoverySchema.parse(document)
      // Discovery 1.0 §4.3. Otherwise an issuer could provide the keys of another one.
      if (issuer !== jwt.issuer) throw new JwksError('issuer_mismatch')
      const url = parseTrustworthyUrl(jwks_uri)
      // A remote issuer must not cause requests to this machine.
      const isOwnMachine = url && isLoopback(url) && !isLoopback(new URL(jwt.issuer))
      if (!url || isOwnMachine) throw new JwksError('jwks_uri')
      return url.href
    },

    async fetchKeySet(url, deadline) {
      const { keys } = keySetSchema.parse(await getJson(url, deadline))
      if (keys.length > MAX_KEYS) throw new JwksError('too_many_keys')
      const usable = await usableKeys(keys, jwt.algorithms)
      return {
        find: createLocalJWKSet({ keys: usable }),
        text: JSON.stringify(usable),
        isEmpty: usable.length === 0,
      }
    },
  }
}

const discoverySchema = z.object({ issuer: z.string(), jwks_uri: z.string() })

const keySetSchema = z.object({ keys: z.array(z.unknown()) })

/** A fixed word for the log: messages of HTTP clients and parsers may quote the response. */
export function reasonOf(error: unknown): IssuerKeysReason {
  if (error instanceof JwksError) return error.reason
  return error instanceof HttpClientError ? error.kind : 'malformed'
}
