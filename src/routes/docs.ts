import type { Hono } from 'hono'
import type { AppEnv } from '../app-env.ts'
import type { ReadDocsAsset } from '../deps.ts'
import { GatewayError } from '../errors.ts'
import { openApiDocument } from '../openapi.ts'
import { respond } from '../respond.ts'

/** Swagger UI writes style attributes as it renders; scripts come from here only. */
const contentSecurityPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
  "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/** The files of Swagger UI that the page needs; no others are handed out. */
const assetTypes: Record<string, string> = {
  'swagger-ui.css': 'text/css',
  'swagger-ui-bundle.js': 'text/javascript',
  'favicon-32x32.png': 'image/png',
}

const page = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>SMH upload gateway</title>
    <link rel="stylesheet" href="docs/swagger-ui.css" />
    <link rel="icon" href="docs/favicon-32x32.png" />
  </head>
  <body>
    <div id="reference"></div>
    <script src="docs/swagger-ui-bundle.js"></script>
    <script src="docs/start.js"></script>
  </body>
</html>
`

const start = `SwaggerUIBundle({
  url: 'openapi.json',
  dom_id: '#reference',
  deepLinking: true,
  defaultModelsExpandDepth: 0,
})
`

/** The OpenAPI document and a readable page of it, all served from here, nothing read before asked. */
export function registerDocs(app: Hono<AppEnv>, readAsset: ReadDocsAsset): void {
  let document: string | undefined
  app.get('/openapi.json', (c) => {
    c.set('operation', 'getOpenApi')
    document ??= JSON.stringify(openApiDocument())
    return respond(c, document, 200, { 'Content-Type': 'application/json' })
  })
  app.get('/docs', (c) => {
    c.set('operation', 'getDocs')
    return respond(c, page, 200, {
      'Content-Type': 'text/html; charset=UTF-8',
      'Content-Security-Policy': contentSecurityPolicy,
    })
  })
  app.get('/docs/:asset', async (c) => {
    c.set('operation', 'getDocs')
    const name = c.req.param('asset')
    if (name === 'start.js') return respond(c, start, 200, { 'Content-Type': 'text/javascript' })
    const contentType = Object.hasOwn(assetTypes, name) ? assetTypes[name] : undefined
    const asset = contentType && (await readAsset(name))
    if (!asset) throw new GatewayError('not_found', 'There is nothing at this address.')
    return respond(c, asset, 200, {
      'Content-Type': contentType,
      'Cache-Control': 'public, max-age=3600',
    })
  })
}
