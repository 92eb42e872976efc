import { describe, expect, test } from 'vitest'
import { ann, type Harness, startHarness } from '../support/harness.ts'

const HOURS = 60 * 60_000

const begin = (harness: Harness, headers = {}) =>
  harness.request('POST', '/v1/uploads', { body: { path: 'a', size: 3 }, headers })

const statusOf = async (answer: Promise<Response>) => (await answer).status

/** A machine whose clock was hours ahead until a time server put it right. */
describe('a clock set back by eight hours', () => {
  test('does not prolong an outage of the issuer', async () => {
    const harness = await startHarness()
    harness.issuer.down(true)
    expect(await statusOf(begin(harness))).toBe(503)
    harness.issuer.down(false)
    harness.setClock(-8 * HOURS)
    harness.advance(1_000)
    expect(await statusOf(begin(harness))).toBe(201)
  })

  test('does not delay new keys of the issuer', async () => {
    const harness = await startHarness()
    expect(await statusOf(begin(harness))).toBe(201)
    const forged = await harness.issuer.forgedToken(ann)
    const unknown = { authorization: `Bearer ${forged}` }
    expect(await statusOf(begin(harness, unknown))).toBe(401)
    harness.setClock(-8 * HOURS)
    await harness.issuer.rotateKeys()
    harness.advance(30_000)
    expect(await statusOf(begin(harness))).toBe(201)
  })

  test('does not change the answer of /readyz', async () => {
    const harness = await startHarness()
    const ready = () => statusOf(harness.request('GET', '/readyz', { as: null }))
    expect(await ready()).toBe(200)
    harness.issuer.down(true)
    await harness.emulator.controls.refuseConnections(true)
    harness.setClock(-8 * HOURS)
    // Long enough for the token to have ended as well.
    harness.advance(2 * HOURS)
    expect(await ready()).toBe(503)
  })

  test('does not keep the circuit open longer', async () => {
    const harness = await startHarness()
    const { confirmKey } = await harness.begin({ path: 'a', size: 3 })
    const status = () => statusOf(harness.request('GET', `/v1/uploads/${confirmKey}`))
    await harness.emulator.controls.refuseConnections(true)
    for (let time = 0; time < 10; time += 1) expect(await status()).toBe(503)
    await harness.emulator.controls.refuseConnections(false)
    harness.setClock(-8 * HOURS)
    expect(await status()).toBe(503)
    harness.advance(5_000)
    expect(await status()).toBe(200)
  })
})
