import { describe, expect, test } from 'vitest'
import { ann, type Bench, startBench } from '../support/gateway.ts'

const HOURS = 60 * 60_000

const begin = (bench: Bench, headers = {}) =>
  bench.request('POST', '/v1/uploads', { body: { path: 'a', size: 3 }, headers })

const statusOf = async (answer: Promise<Response>) => (await answer).status

/** A machine whose clock was hours ahead until a time server put it right. */
describe('a clock that is set back by eight hours', () => {
  test('does not prolong an outage of the issuer', async () => {
    const bench = await startBench()
    bench.issuer.down(true)
    expect(await statusOf(begin(bench))).toBe(503)
    bench.issuer.down(false)
    bench.setClock(-8 * HOURS)
    bench.advance(1_000)
    expect(await statusOf(begin(bench))).toBe(201)
  })

  test('does not put off new keys of the issuer', async () => {
    const bench = await startBench()
    expect(await statusOf(begin(bench))).toBe(201)
    const forged = await bench.issuer.forgedToken(ann)
    const unknown = { authorization: `Bearer ${forged}` }
    expect(await statusOf(begin(bench, unknown))).toBe(401)
    bench.setClock(-8 * HOURS)
    await bench.issuer.rotateKeys()
    bench.advance(30_000)
    expect(await statusOf(begin(bench))).toBe(201)
  })

  test('leaves /readyz with the truth', async () => {
    const bench = await startBench()
    const ready = () => statusOf(bench.request('GET', '/readyz', { as: null }))
    expect(await ready()).toBe(200)
    bench.issuer.down(true)
    await bench.emulator.controls.refuseConnections(true)
    bench.setClock(-8 * HOURS)
    // Long enough for the token to have ended as well.
    bench.advance(2 * HOURS)
    expect(await ready()).toBe(503)
  })

  test('leaves SMH alone no longer than usual', async () => {
    const bench = await startBench()
    const { confirmKey } = await bench.begin({ path: 'a', size: 3 })
    const status = () => statusOf(bench.request('GET', `/v1/uploads/${confirmKey}`))
    await bench.emulator.controls.refuseConnections(true)
    for (let time = 0; time < 10; time += 1) expect(await status()).toBe(503)
    await bench.emulator.controls.refuseConnections(false)
    bench.setClock(-8 * HOURS)
    expect(await status()).toBe(503)
    bench.advance(5_000)
    expect(await status()).toBe(200)
  })
})
