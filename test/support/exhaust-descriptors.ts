import { openSync } from 'node:fs'
import { HttpClientError } from '../../src/gateway/http-client.ts'
import { createUndiciClient } from '../../src/gateway/runtimes/node/undici-client.ts'

/** Opens files until no descriptor is left, then calls a URL, and prints the kind of fault. */
const [, , url = ''] = process.argv
const httpClient = createUndiciClient()
// Loads what the first call needs.
await httpClient.request({ method: 'GET', url, timeoutMs: 10_000 }).catch(() => undefined)
try {
  for (;;) openSync('/dev/null', 'r')
} catch {
  // None is left.
}
const other = url.replace('127.0.0.1', '127.0.0.2')
const kind = await httpClient.request({ method: 'GET', url: other, timeoutMs: 10_000 }).then(
  ({ status }) => status,
  (error) => (error instanceof HttpClientError ? error.kind : 'unknown'),
)
process.stdout.write(`${kind}\n`)
process.exit(0)
