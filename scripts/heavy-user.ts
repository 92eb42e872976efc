/**
 * `npm run test:heavy-user`: measures whether a user who requests a list of 10,000 parts without a pause
 * slows down the others. Takes a minute. Prints latencies without and with that user; exits 1 when a
 * bound does not hold.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { report, startFixture } from './load/fixture.ts'

const PARTS = 10_000
const SIZE = PARTS * 1024 * 1024
const LOAD = { requests: 1_000, perSecond: 40 }
const BOUND = 3

const fixture = await startFixture({ UPLOAD_MAX_BYTES: String(SIZE) })
try {
  const token = await fixture.token('heavy')
  const path = await beginLong()
  // Warm-up: the issuer's keys, an SMH token and compiled code.
  await fixture.load({ requests: 200, perSecond: 50 })
  const quiet = await fixture.load(LOAD)
  const heavy = fork(fileURLToPath(new URL('./load/request-loop.ts', import.meta.url)))
  try {
    heavy.send({ url: fixture.url, path, token })
    const loaded = await fixture.load(LOAD)
    heavy.send('stop')
    const [statuses] = await once(heavy, 'message')
    const notes = [`the heavy user's responses by status: ${JSON.stringify(statuses)}`]
    report(quiet, loaded, { share: 0.5, bound: BOUND, notes })
  } finally {
    heavy.kill()
  }

  /** Begins an upload whose status lists all its parts. Resolves to the path of that status. */
  async function beginLong(): Promise<string> {
    const response = await fetch(`${fixture.url}/v1/uploads`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ path: 'long.bin', size: SIZE }),
    })
    const { confirmKey } = (await response.json()) as { confirmKey: string }
    fixture.emulator.controls.force('status', {
      times: Number.POSITIVE_INFINITY,
      status: 200,
      contentType: 'application/json',
      body: JSON.stringify({
        confirmed: false,
        path: ['users', 'heavy', 'long.bin'],
        uploadId: 'long',
        parts: Array.from({ length: PARTS }, (_, index) => ({
          PartNumber: index + 1,
          LastModified: '2026-03-09T11:23:01.000Z',
          ETag: '"7202826a7791073fe2787f0c94603278"',
          Size: 1,
        })),
      }),
    })
    return `/v1/uploads/${confirmKey}`
  }
} finally {
  await fixture.close()
}
