import { Pool } from 'undici'
import { requestOf } from './load.ts'

export interface OpenLoopResult {
  /** Milliseconds, one for each request. */
  times: number[]
  /** Number of responses with each status. */
  statuses: Record<number, number>
}

const TICK_MS = 1

/**
 * Sends begins at a constant rate, without waiting for responses (open loop), as independent users do.
 *
 * @param options.rate begins per second
 */
export async function openLoopLoad(options: {
  url: string
  path?: string
  tokens: readonly string[]
  rate: number
  seconds: number
}): Promise<OpenLoopResult> {
  const { url, path, tokens, rate, seconds } = options
  const pool = new Pool(url, { connections: 64 })
  const requests = tokens.map((token) => requestOf(token, path))
  const times: number[] = []
  const statuses: Record<number, number> = {}
  const underWay: Promise<void>[] = []

  async function send(number: number): Promise<void> {
    const request = requests[number % requests.length] ?? requestOf('')
    const sentAt = performance.now()
    const { statusCode, body } = await pool.request(request)
    await body.dump()
    times.push(performance.now() - sentAt)
    statuses[statusCode] = (statuses[statusCode] ?? 0) + 1
  }

  const total = Math.round(rate * seconds)
  const startedAt = performance.now()
  await new Promise<void>((resolve) => {
    const tick = setInterval(() => {
      const due = Math.min(total, ((performance.now() - startedAt) / 1000) * rate)
      while (underWay.length < due) underWay.push(send(underWay.length))
      if (underWay.length < total) return
      clearInterval(tick)
      resolve()
    }, TICK_MS)
  })
  await Promise.all(underWay)
  await pool.close()
  return { times, statuses }
}
