import { createHash } from 'node:crypto'
import { accepts } from 'hono/accepts'
import { etag } from 'hono/etag'
import { GatewayError } from '../errors.ts'
import type { Step } from '../http/pipeline.ts'
import type { RequestContext } from '../http/request-context.ts'
import { respondEncoded } from '../http/respond.ts'
import type { DocsAsset, ReadDocsAsset } from '../ports.ts'

/** The page has no script. Its style sheet comes from the gateway, its icon is empty. */
const contentSecurityPolicy =
  "default-src 'none'; style-src 'self'; img-src data:; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

interface DocsFile {
  asset: DocsAsset
  operation: string
  type: string
}

/** The served files by URL path. */
const files: Record<string, DocsFile> = {
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

const notModified = etag({
  retainedHeaders: ['ETag', 'Cache-Control', 'Vary', 'X-Request-Id', 'X-Content-Type-Options'],
})

/** A path of the documentation and the step that serves it. */
export interface DocsRoute {
  path: string
  respond: Step
}

/** The routes of the OpenAPI document and the reference page. Each reads its file at the first request. */
export function docsRoutes(readAsset: ReadDocsAsset): DocsRoute[] {
  return Object.entries(files).map(([path, file]) => ({
    path,
    respond: serveFile(file, readAsset),
  }))
}

function serveFile({ asset, operation, type }: DocsFile, readAsset: ReadDocsAsset): Step {
  // Only settled values are kept, because a request on Workers must not await the I/O of another one.
  let kept: Representations | undefined

  async function respond(request: RequestContext): Promise<Response> {
    kept ??= await represent(await readAsset(asset))
    const encoding = accepts(request.hono, {
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
  }

  return async (request) => {
    request.operation = operation
    const c = request.hono
    await notModified(c, async () => {
      c.res = await respond(request)
    })
    return c.res
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
