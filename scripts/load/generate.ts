import { Pool } from 'undici'
import type { Load, Measured } from './fixture.ts'

/** Sends the begins that its parent process requests, and reports the duration of each. */
process.on('message', async (load: Load) => {
  process.send?.(await generate(load))
})
process.once('disconnect', () => process.exit())

async function generate({ url, tokens, requests, perSecond }: Load): Promise<Measured> {
  const pool = new Pool(url, { connections: 32 })
  const times: number[] = []
  const statuses: Measured['statuses'] = {}

  async function begin(number: number): Promise<void> {
    const sentAt = performance.now()
    let status = 0
    try {
      const { statusCode, body } = await pool.request({
        method: 'POST',
        path: '/v1/uploads',
        headers: {
          authorization: `Bearer ${tokens[number % tokens.length]}`,
          'content-type': 'application/json',
        },
        body: JSON.stringify({ path: `file-${number}.bin`, size: 5 }),
      })
      await body.dump()
      status = statusCode
    } catch {
      // A failed connection counts as status 0.
    }
    times.push(performance.now() - sentAt)
    statuses[status] = (statuses[status] ?? 0) + 1
  }

  const underWay: Promise<void>[] = []
  const startedAt = performance.now()
  await new Promise<void>((resolve) => {
    const tick = setInterval(() => {
      const due = Math.min(requests, ((performance.now() - startedAt) / 1000) * perSecond)
      while (underWay.length < due) underWay.push(begin(underWay.length))
      if (underWay.length < requests) return
      clearInterval(tick)
      resolve()
    }, 1)
  })
  await Promise.all(underWay)
  await pool.close()
  return { times, statuses }
}
