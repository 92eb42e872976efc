import { expect, test } from 'vitest'
import { createTokenCache } from '../../../../src/gateway/auth/token-cache.ts'
import { startIssuerHarness } from '../../../support/issuer.ts'

const ann = { sub: 'ann' }

/** A token cache over the real verification, which counts its calls. */
async function startCache(seconds = 60) {
  const harness = await startIssuerHarness()
  let checks = 0
  const authenticate = createTokenCache({
    authenticate(authorization) {
      checks += 1
      return harness.authenticate(authorization)
    },
    keys: harness.keys,
    clock: harness.clock,
    monotonicClock: harness.monotonicClock,
    seconds,
  })
  const user = (token: string) => authenticate(`Bearer ${token}`, () => {})
  // A first token brings the keys, and keys that come while a token is checked do not count.
  await harness.user(await harness.issuer.token(ann))
  return { ...harness, authenticate, user, checks: () => checks }
}

test('token cache: a token is verified once', async () => {
  const { issuer, user, checks } = await startCache()
  const token = await issuer.token(ann)
  const first = await user(token)
  expect(first).toMatchObject({ id: 'ann' })
  expect(await user(token)).toBe(first)
  expect(checks()).toBe(1)
})

test('token cache: a similar token is verified separately', async () => {
  const { issuer, user, authenticate, checks } = await startCache()
  const token = await issuer.token(ann)
  await user(token)
  const letter = token.at(-20) === 'A' ? 'B' : 'A'
  const forged = token.slice(0, -20) + letter + token.slice(-19)
  for (const other of [forged, `${token}AAAA`, token.slice(1)])
    await expect(user(other)).rejects.toMatchObject({ code: 'invalid_token' })
  await expect(authenticate(undefined, () => {})).rejects.toMatchObject({ code: 'missing_token' })
  expect(await user(await issuer.token({ sub: 'bob' }))).toMatchObject({ id: 'bob' })
  expect(checks()).toBe(6)
})

test('token cache: a header with several spaces is verified each time and evicts no other token', async () => {
  const { issuer, authenticate, user, checks } = await startCache()
  const token = await issuer.token(ann)
  await user(token)
  const mallory = await issuer.token({ sub: 'mallory' })
  // Together more than all the room there is.
  for (let spaces = 2; spaces < 602; spaces += 1) {
    const padded = `Bearer ${' '.repeat(7_000 + spaces)}${mallory}`
    expect(await authenticate(padded, () => {})).toMatchObject({ id: 'mallory' })
  }
  expect(checks()).toBe(601)
  await user(token)
  expect(checks()).toBe(601)
})

test('token cache: an invalid token is not cached', async () => {
  const { issuer, user, checks } = await startCache()
  const token = await issuer.forgedToken(ann)
  for (const _ of [1, 2]) await expect(user(token)).rejects.toMatchObject({ code: 'invalid_token' })
  expect(checks()).toBe(2)
})

test('token cache: a token is verified again after the configured time', async () => {
  const { issuer, user, advance, checks } = await startCache(30)
  const token = await issuer.token(ann)
  await user(token)
  advance(29_999)
  await user(token)
  expect(checks()).toBe(1)
  advance(1)
  await user(token)
  expect(checks()).toBe(2)
})

test('token cache: a clock that is set back does not extend the time', async () => {
  const { issuer, user, advance, setClock, checks } = await startCache()
  const token = await issuer.token(ann)
  await user(token)
  setClock(-3_600_000)
  advance(60_000)
  await user(token)
  expect(checks()).toBe(2)
})

test('token cache: an expired token is refused like one that was never cached', async () => {
  const { issuer, user, advance } = await startCache()
  const token = await issuer.token({ ...ann, expiresInSeconds: 20 })
  await user(token)
  advance(25_000)
  await expect(user(token)).rejects.toMatchObject({ code: 'invalid_token' })
})

test('token cache: changed keys invalidate cached tokens at once', async () => {
  const { issuer, user } = await startCache()
  const token = await issuer.token(ann)
  await user(token)
  await issuer.rotateKeys()
  expect(await user(token)).toMatchObject({ id: 'ann' })
  // The unknown key id has the keys fetched.
  await user(await issuer.token(ann))
  await expect(user(token)).rejects.toMatchObject({ code: 'invalid_token' })
})

test('token cache: unchanged keys invalidate nothing', async () => {
  const { issuer, user, keys, advance, settle, keyOf, checks } = await startCache()
  advance(10 * 60_000)
  const token = await issuer.token(ann)
  const before = keys.version()
  await user(token)
  await keyOf(token)
  await settle()
  expect(issuer.hits().keys).toBe(2)
  expect(keys.version()).toBe(before)
  await user(token)
  expect(checks()).toBe(1)
})

test('token cache: 0 seconds cache nothing', async () => {
  const { issuer, user, checks } = await startCache(0)
  const token = await issuer.token(ann)
  for (const _ of [1, 2, 3]) await user(token)
  expect(checks()).toBe(3)
})

test('token cache: the total length of cached headers is limited', async () => {
  const { issuer, user, checks } = await startCache()
  // So long that the memory holds fewer than all of them.
  const filling = { filling: 'x'.repeat(5 * 1024) }
  const tokens: string[] = []
  for (let number = 0; number < 700; number += 1) {
    tokens.push(await issuer.token({ sub: `user-${number}`, claims: filling }))
  }
  for (const token of tokens) await user(token)
  expect(checks()).toBe(700)
  await user(tokens.at(-1)!)
  expect(checks()).toBe(700)
  await user(tokens[0]!)
  expect(checks()).toBe(701)
})
