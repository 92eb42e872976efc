import autocannon from 'autocannon'

export interface LoadOptions {
  url: string
  /** One per user; connections use them in turn. */
  tokens: readonly string[]
  begins: number
  connections: number
  /** Default: `/v1/uploads`. */
  path?: string
}

const body = JSON.stringify({ path: 'clip.mp4', size: 2_097_162 })

/** One begin, as a request of autocannon. */
export function requestOf(token: string, path = '/v1/uploads') {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  return { method: 'POST' as const, path, headers, body }
}

/** Sends begins as fast as the server responds (closed loop). Rejects unless every response is 201. */
export async function load(options: LoadOptions): Promise<{ beginsPerSecond: number }> {
  const { url, tokens, begins, connections, path } = options
  const requests = tokens.map((token) => requestOf(token, path))
  let clients = 0
  const statuses = new Map<number, number>()
  const startedAt = performance.now()
  const instance = autocannon({
    url,
    connections,
    amount: begins,
    // How often autocannon checks whether it is done, in milliseconds. Its default is a second.
    sampleInt: 10,
    // Each connection has its own users. Otherwise all would send the same token at once.
    setupClient(client) {
      client.setRequests(requests.filter((_, index) => index % connections === clients))
      clients += 1
    },
  })
  instance.on('response', (_client, status) => {
    statuses.set(status, (statuses.get(status) ?? 0) + 1)
  })
  const { errors } = await instance
  const seconds = (performance.now() - startedAt) / 1000
  if (errors > 0 || statuses.get(201) !== begins) {
    throw new Error(`${errors} errors, answers by status: ${JSON.stringify([...statuses])}`)
  }
  return { beginsPerSecond: begins / seconds }
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}
