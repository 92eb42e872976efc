import { expect, test } from 'vitest'
import { encoded, startForge, startTrap } from '../support/forge.ts'
import { type Harness, startHarness } from '../support/harness.ts'
import { attacks } from '../support/token-attacks.ts'

const body = { path: 'a.txt', size: 5 }

/** The answer to every token that is bad, in whatever way. */
const dull = {
  status: 401,
  challenge: 'Bearer realm="uploads", error="invalid_token"',
  text: JSON.stringify({
    type: 'urn:smh-upload-gateway:problem:invalid_token',
    title: 'Unauthorized',
    status: 401,
    detail: 'The bearer token is invalid.',
    code: 'invalid_token',
    requestId: 'fixed',
  }),
}

async function begin(harness: Harness, token: string) {
  const headers = { authorization: `Bearer ${token}`, 'x-request-id': 'fixed' }
  const response = await harness.request('POST', '/v1/uploads', { as: null, headers, body })
  return {
    status: response.status,
    challenge: response.headers.get('www-authenticate'),
    text: await response.text(),
  }
}

test.each(Object.entries(attacks))(
  'token attacks: %s: every invalid variant returns 401',
  async (_, table) => {
    const harness = await startHarness()
    const [forge, trap] = [startForge(harness), await startTrap()]
    for (const [name, make] of Object.entries(table)) {
      expect(await begin(harness, await make(forge, trap.url)), name).toEqual(dull)
    }
    expect([harness.smhCalls(), trap.callers()]).toEqual([[], 0])
    // One fetch to know the keys at all, and at most one more for all ids that are not among them.
    expect(harness.issuer.hits().keys).toBeLessThanOrEqual(2)
    // What was refused are the attacks and not the forge.
    for (const by of ['ES256', 'RS256', 'EdDSA'] as const) {
      expect(await begin(harness, await forge.token({ by }))).toMatchObject({ status: 201 })
    }
  },
)

test('token attacks: every usual `typ` is accepted', async () => {
  const harness = await startHarness()
  const forge = startForge(harness)
  for (const typ of [undefined, 'JWT', 'jwt', 'at+jwt', 'AT+JWT', 'application/at+jwt']) {
    const token = await forge.token({ header: forge.header({ typ }) })
    expect(await begin(harness, token)).toMatchObject({ status: 201 })
  }
})

test('token attacks: no claim is used before the signature is verified', async () => {
  const harness = await startHarness()
  const forge = startForge(harness)
  const claims = [{ exp: 1 }, { nbf: 4e9 }, { iss: 'x' }, { aud: 'x' }, { sub: 7 }, { exp: 4e12 }]
  for (const each of claims) {
    const signed = await forge.token({ payload: forge.claims(each) })
    for (const token of [signed, signed.replace(/[^.]+$/, encoded(new Uint8Array(64)))]) {
      expect(await begin(harness, token)).toEqual(dull)
    }
  }
  const requests = (await harness.records()).filter(({ event }) => event === 'request')
  const reasons = requests.map(({ reason }) => reason)
  expect(reasons.filter((_, index) => index % 2)).toEqual(claims.map(() => 'signature'))
  expect(reasons.filter((_, index) => index % 2 === 0)).toEqual([
    'expired',
    'not_yet_valid',
    'issuer',
    'audience',
    'claims',
    'claims',
  ])
})
