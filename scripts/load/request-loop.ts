import { Pool } from 'undici'

/** Requests one upload's status repeatedly on several connections, and reports the count of each response status. */
const CONNECTIONS = 16

interface Wanted {
  url: string
  path: string
  token: string
}

const statuses: Record<number, number> = {}

process.on('message', (wanted: Wanted | 'stop') => {
  if (wanted === 'stop') process.send?.(statuses)
  else for (let loops = 0; loops < CONNECTIONS; loops += 1) void loop(wanted)
})
process.once('disconnect', () => process.exit())

let pool: Pool | undefined

async function loop({ url, path, token }: Wanted): Promise<void> {
  pool ??= new Pool(url, { connections: CONNECTIONS })
  const headers = { authorization: `Bearer ${token}` }
  for (;;) {
    const { statusCode, body } = await pool.request({ method: 'GET', path, headers })
    await body.dump()
    statuses[statusCode] = (statuses[statusCode] ?? 0) + 1
  }
}
