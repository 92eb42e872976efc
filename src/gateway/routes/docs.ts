import { createHash } from 'node:crypto'
import type { Hono } from 'hono'
import { accepts } from 'hono/accepts'
import { etag } from 'hono/etag'
import { GatewayError } from '../errors.ts'
import type { AppEnv } from '../http/request-context.ts'
import { respondEncoded } from '../http/respond.ts'
import type { DocsAsset, ReadDocsAsset } from '../ports.ts'

/** The page has no script. Its style sheet comes from the gateway, its icon is empty. */
const contentSecurityPolicy =
  "default-src 'none'; style-src 'self'; img-src data:; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/** The served files by URL path. */
const files: Record<string, { asset: DocsAsset; operation: string; type: string }> = {
  '/openapi.json': { asset: 'openapi.json', operation: 'getOpenApi', type: 'application/json' },
  '/docs': { asset: 'reference.html', operation: 'getDocs', type: 'text/html; charset=UTF-8' },
  '/docs/reference.css': { asset: 'reference.css', operation: 'getDocs', type: 'text/css' },
}

/**
 * Cache lifetime. After an update of the gateway, browsers show the old reference for at most five minutes.
 */
const cacheControl = 'public, max-age=300'

/**
 * An asset as it is sent. It stays in memory, because clients without a token can request it without limit.
 */
interface Representations {
  identity: Uint8Array<ArrayBuffer>
  gzip: Uint8Array<ArrayBuffer>
  etag: string
}

/** Serves the OpenAPI document and the reference page. Reads a file at its first request. */
export function registerDocs(app: Hono<AppEnv>, readAsset: ReadDocsAsset): void {
  const notModified = etag({
    retainedHeaders: ['ETag', 'Cache-Control', 'Vary', 'X-Request-Id', 'X-Content-Type-Options'],
  })
  for (const [path, { asset, operation, type }] of Object.entries(files)) {
    // Only settled values are kept, because a request on Workers must not await the I/O of another one.
    let kept: Representations | undefined
    app.get(path, notModified, async (c) => {
      const request = c.get('request')
      request.operation = operation
      kept ??= await represent(await readAsset(asset))
      const encoding = accepts(c, {
        header: 'Accept-Encoding',
        supports: ['gzip', 'identity'],
        default: 'identity',
      }) as 'gzip' | 'identity'
      return respondEncoded(request, kept[encoding], {
        'Content-Type': type,
        'Cache-Control': cacheControl,
        Vary: 'Accept-Encoding',
        ETag: kept.etag,
        ...(encoding === 'gzip' && { 'Content-Encoding': 'gzip' }),
        ...(type.startsWith('text/html') && { 'Content-Security-Policy': contentSecurityPolicy }),
      })
    })
  }
}

/** @throws GatewayError `not_found` where the runtime has no such asset */
async function represent(identity: Uint8Array<ArrayBuffer> | undefined): Promise<Representations> {
  if (!identity)
    throw new GatewayError('not_found', 'The API reference is not installed on this gateway.')
  const compressed = new Blob([identity]).stream().pipeThrough(new CompressionStream('gzip'))
  const gzip = new Uint8Array(await new Response(compressed).arrayBuffer())
  const tag = createHash('sha256').update(identity).digest('base64url')
  // Weak, because both encodings share one tag.
  return { identity, gzip, etag: `W/"${tag}"` }
}
