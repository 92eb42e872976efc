import { decodeJwt } from 'jose'
import { expect, test } from 'vitest'
import { NAMED_USERS, startDemoIssuer } from '../../src/demo/demo-users.ts'
import { REFETCH_MS } from '../../src/gateway/auth/jwks-decision.ts'
import { startIssuerHarness } from '../support/issuer.ts'

test('demo issuer: the gateway accepts both users as different users', async () => {
  const harness = await startIssuerHarness()
  const ids = NAMED_USERS.map(
    async (user) => (await harness.user(await harness.issuer.token(user))).id,
  )
  expect(await Promise.all(ids)).toEqual(['ada', 'boris'])
})

test('demo issuer: a token has the requested claims and the dates of the given clock', async () => {
  const issuer = await startDemoIssuer({ now: () => 1_000_999 })
  const claims = { org: 'acme', iat: undefined, aud: ['a', 'b'] }
  const token = await issuer.token({ sub: 'ann', scope: 'a b', claims, expiresInSeconds: -5 })
  expect(decodeJwt(token)).toEqual({
    iss: issuer.issuer,
    aud: ['a', 'b'],
    sub: 'ann',
    scope: 'a b',
    org: 'acme',
    exp: 995,
  })
  expect(decodeJwt(await issuer.token({ sub: 'bob' }))).toEqual({
    iss: issuer.issuer,
    aud: issuer.audience,
    sub: 'bob',
    iat: 1000,
    exp: 4600,
  })
  await issuer.close()
})

test('demo issuer: publishes a discovery document, and only public keys', async () => {
  const issuer = await startDemoIssuer()
  const read = async (path: string) => (await fetch(`${issuer.issuer}${path}`)).json()
  expect(await read('/.well-known/openid-configuration')).toMatchObject({
    issuer: issuer.issuer,
    jwks_uri: `${issuer.issuer}/keys`,
  })
  const { keys } = (await read('/keys')) as { keys: object[] }
  expect(keys).toEqual([
    {
      ...{ kty: 'EC', crv: 'P-256', alg: 'ES256', use: 'sig' },
      ...{ kid: expect.any(String), x: expect.any(String), y: expect.any(String) },
    },
  ])
  expect((await fetch(`${issuer.issuer}/token`)).status).toBe(404)
  expect(issuer.hits()).toEqual({ discovery: 1, keys: 1 })
  await issuer.close()
})

test('demo issuer: after a key rotation the old tokens are not valid', async () => {
  const harness = await startIssuerHarness()
  const old = await harness.issuer.token({ sub: 'ann' })
  await harness.user(old)
  await harness.issuer.rotateKeys()
  expect((await harness.user(await harness.issuer.token({ sub: 'ann' }))).id).toBe('ann')
  harness.advance(REFETCH_MS)
  await expect(harness.user(old)).rejects.toMatchObject({ code: 'invalid_token' })
})

test('demo issuer: down closes connections, rehearse replaces responses, close stops the server', async () => {
  const issuer = await startDemoIssuer()
  const ask = () => fetch(`${issuer.issuer}/keys`)
  issuer.down(true)
  await expect(ask()).rejects.toThrow()
  issuer.down(false)
  issuer.rehearse((document) => ({ status: 503, body: `no ${document}` }))
  const reply = await ask()
  expect([reply.status, await reply.text()]).toEqual([503, 'no keys'])
  issuer.rehearse(undefined)
  expect((await ask()).status).toBe(200)
  expect(issuer.hits()).toEqual({ discovery: 0, keys: 3 })
  await issuer.close()
  await expect(ask()).rejects.toThrow()
})

test('demo issuer: rejects with EADDRINUSE when the port is in use', async () => {
  const issuer = await startDemoIssuer()
  const port = Number(new URL(issuer.issuer).port)
  await expect(startDemoIssuer({ port })).rejects.toMatchObject({ code: 'EADDRINUSE' })
  await issuer.close()
})
