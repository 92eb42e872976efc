import { describe, expect, test } from 'vitest'
import { chainedHashes } from '../../src/emulator/hashes.ts'
import { type Bench, bob, MiB, someBytes, startBench } from '../support/gateway.ts'
import { expectProblem } from '../support/problems.ts'

const parts = [someBytes(MiB, 7), someBytes(500, 8)]
const size = MiB + 500

/** The hashes of `parts`, which a first user has uploaded already. */
async function storedHashes(bench: Bench) {
  await bench.upload('mine/original.bin', parts, { as: bob })
  bench.emulator.controls.clearCalls()
  async function* chunks() {
    yield* parts
  }
  return chainedHashes(chunks())
}

describe('instant upload', () => {
  test('202 without a body asks for the full hash, 200 is the stored file', async () => {
    const bench = await startBench()
    const { beginningHash, fullHash } = await storedHashes(bench)
    const wanted = { path: 'copies/copy.bin', size, beginningHash }
    const first = await bench.request('POST', '/v1/uploads', { body: wanted })
    expect([first.status, await first.text()]).toEqual([202, ''])
    expect(first.headers.get('location')).toBeNull()
    expect(first.headers.get('cache-control')).toBe('no-store')
    expect(bench.emulator.controls.openTasks()).toEqual([])

    const body = { ...wanted, fullHash }
    const second = await bench.request('POST', '/v1/uploads', { body })
    expect(second.status).toBe(200)
    const file = await second.json()
    expect(file).toMatchObject({ path: ['copies', 'copy.bin'], name: 'copy.bin', size })
    expect(file).not.toHaveProperty('confirmKey')
    const stored = bench.emulator.controls.files().find(({ userId }) => userId === 'ann')
    expect(stored).toMatchObject({ path: ['users', 'ann', 'copies', 'copy.bin'], size })
    expect(file.crc64).toBe(stored?.crc64)
  })

  test('a full hash alone is enough', async () => {
    const bench = await startBench()
    const { fullHash } = await storedHashes(bench)
    const body = { path: 'copy.bin', size, fullHash }
    const response = await bench.request('POST', '/v1/uploads', { body })
    expect(response.status).toBe(200)
  })

  test('the name may be another one, as with any upload', async () => {
    const bench = await startBench()
    const hashes = await storedHashes(bench)
    const body = { path: 'copy.bin', size, ...hashes }
    await bench.request('POST', '/v1/uploads', { body })
    const again = await bench.request('POST', '/v1/uploads', { body })
    expect(await again.json()).toMatchObject({ path: ['copy (1).bin'], name: 'copy (1).bin' })
  })

  test('with a wrong full hash the bytes have to be sent', async () => {
    const bench = await startBench()
    const { beginningHash } = await storedHashes(bench)
    const body = { path: 'copy.bin', size, beginningHash, fullHash: 'f'.repeat(64) }
    const response = await bench.request('POST', '/v1/uploads', { body })
    expect(response.status).toBe(201)
    expect(bench.emulator.controls.files()).toHaveLength(1)
  })

  test('with another size nothing is known', async () => {
    const bench = await startBench()
    const hashes = await storedHashes(bench)
    const body = { path: 'copy.bin', size: size + 1, ...hashes }
    const response = await bench.request('POST', '/v1/uploads', { body })
    expect(response.status).toBe(201)
  })

  test('switched off, not even a right hash gets a file', async () => {
    const bench = await startBench({ environment: { UPLOAD_INSTANT: 'false' } })
    const hashes = await storedHashes(bench)
    const body = { path: 'copy.bin', size, ...hashes }
    const response = await bench.request('POST', '/v1/uploads', { body })
    const { detail } = await expectProblem(response, 403, 'not_permitted')
    expect(detail).toContain('Instant upload')
    expect(bench.emulator.controls.files()).toHaveLength(1)
    expect(bench.smhCalls()).toEqual([])
  })
})
