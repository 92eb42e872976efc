import { SmhError } from './errors.ts'
import type { Incoming, Reply } from './http-server.ts'
import { json } from './smh-call.ts'
import { hex, type State, type Token } from './state.ts'

/** Maximum length of user and client ids (inferred, docs/smh-protocol.md#16.3). */
const MAX_ID_CHARACTERS = 512

/** Grants for the whole library, which need no `space_id` (docs/smh-protocol.md#3.1). */
const SPACELESS_GRANTS = ['admin', 'create_space', 'delete_space']

/** The idle lifetime in seconds for a `period` (docs/smh-protocol.md#3.2). */
function effectivePeriod(text: string | null): number {
  const wanted = Number(text ?? '')
  if (!Number.isFinite(wanted) || wanted <= 0) return 86_400
  return Math.floor(Math.min(Math.max(wanted, 300), 315_360_000))
}

const list = (text: string | null) => (text ?? '').split(',').filter((item) => item !== '')

/** Issues a token to a caller with the library's secret (docs/smh-protocol.md#3.1). */
export function mintToken(state: State, request: Incoming): Reply {
  const { query } = request
  checkSecret(state, query.get('library_id') ?? '', query)
  const userId = query.get('user_id') ?? ''
  const clientId = query.get('client_id') ?? ''
  if (userId.length > MAX_ID_CHARACTERS) throw new SmhError(400, 'UserIdLengthExceed')
  if (clientId.length > MAX_ID_CHARACTERS) throw new SmhError(400, 'ClientIdLengthExceed')
  const grants = new Set(list(query.get('grant')))
  const periodMs = effectivePeriod(query.get('period')) * 1000
  const token: Token = {
    value: `acctk${hex(32)}`,
    spaceIds: spacesOf(state, query, grants),
    userId,
    clientId,
    sessionId: query.get('session_id') ?? '',
    grants,
    periodMs,
    expiresAt: state.now() + periodMs,
  }
  state.tokens.set(token.value, token)
  return tokenReply(token)
}

function spacesOf(state: State, query: URLSearchParams, grants: Set<string>): string[] {
  if (!state.multiTenant) return ['-']
  const ids = list(query.get('space_id'))
  if (ids.length === 0 && !SPACELESS_GRANTS.some((grant) => grants.has(grant))) {
    throw new SmhError(400, 'EmptySpaceId')
  }
  // SMH does not document whether it checks the spaces here (inferred, docs/smh-protocol.md#3.1).
  if (ids.some((id) => !state.spaces.has(id))) throw new SmhError(404, 'SpaceNotFound')
  return ids
}

function checkSecret(state: State, libraryId: string, query: URLSearchParams) {
  const secret = query.get('library_secret') ?? ''
  if (libraryId === '' && secret === '') throw new SmhError(400, 'EmptyLibraryIdOrSecret')
  if (libraryId === '') throw new SmhError(400, 'EmptyLibraryId')
  if (secret === '') throw new SmhError(400, 'EmptyLibrarySecret')
  if (libraryId !== state.libraryId || !state.librarySecrets.includes(secret)) {
    throw new SmhError(404, 'WrongLibraryIdOrSecret')
  }
}

function tokenReply(token: Token): Reply {
  return json(200, { accessToken: token.value, expiresIn: token.periodMs / 1000 })
}

/**
 * Accepts a token and moves its expiry to now + period (docs/smh-protocol.md#3.2), also for a call that
 * fails later (inferred).
 */
export function useToken(state: State, value: string): Token {
  const token = state.tokens.get(value)
  if (!token || token.expiresAt <= state.now()) throw new SmhError(403, 'InvalidAccessToken')
  token.expiresAt = state.now() + token.periodMs
  return token
}

/** Renews a token, whose value never changes (inferred, docs/smh-protocol.md#3.3). */
export function renewToken(state: State, value: string): Reply {
  return tokenReply(useToken(state, value))
}

/** Deletes a token, without further proof (docs/smh-protocol.md#3.5). */
export function deleteToken(state: State, value: string): Reply {
  state.tokens.delete(value)
  return { status: 204 }
}

/** Deletes the tokens of users, or only those of a client or session (docs/smh-protocol.md#3.5). */
export function deleteUserTokens(state: State, request: Incoming): Reply {
  const { query } = request
  checkSecret(state, state.libraryId, query)
  const users = list(query.get('user_id'))
  const clients = list(query.get('client_id'))
  const sessions = list(query.get('session_id'))
  const tooMany = users.length > 10 || clients.length > 100 || sessions.length > 100
  if (users.length === 0 || tooMany) throw new SmhError(400, 'ParamInvalid')
  const fits = (wanted: string[], id: string) => wanted.length === 0 || wanted.includes(id)
  for (const token of state.tokens.values()) {
    if (!users.includes(token.userId)) continue
    if (fits(clients, token.clientId) && fits(sessions, token.sessionId)) {
      state.tokens.delete(token.value)
    }
  }
  return { status: 204 }
}
