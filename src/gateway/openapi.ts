/**
 * For `npm run openapi` and tests alone. The gateway serves the committed document and loads no OpenAPI
 * library.
 */
import { zodToOpenAPIRegistry } from '@asteasolutions/zod-to-openapi'
import { OpenAPIHono } from '@hono/zod-openapi'
import { globalRegistry } from 'zod'
import { probes } from './routes/health.ts'
import { endpoints } from './routes/index.ts'

/** The OpenAPI 3.1 document of all endpoints; what `openapi/openapi.json` holds. */
export function openApiDocument() {
  return registered().getOpenAPI31Document({ openapi: '3.1.0', ...head })
}

/** The same as OpenAPI 3.0, which is all that many generators read; `openapi/openapi-3.0.json`. */
export function openApi30Document() {
  return registered().getOpenAPIDocument({ openapi: '3.0.3', ...head })
}

const head = {
  info: {
    title: 'SMH upload gateway',
    version: '1',
    description:
      'Uploads into Tencent Cloud Smart Media Hosting (SMH) without handing out its token. ' +
      'Begin an upload here, send the parts directly to COS with the credentials, complete it here. ' +
      'All errors are RFC 9457 problem details: distinguish them by `code`. Clients must ignore unknown fields ' +
      'of responses.',
    license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
  },
  servers: [{ url: '/', description: 'This gateway' }],
  tags: [
    { name: 'Uploads', description: 'The life of one upload.' },
    { name: 'Health', description: 'For load balancers.' },
  ],
  security: [{ bearer: [] }],
}

// Schemas are described by zod's own `meta`, of which the library takes all but the name.
zodToOpenAPIRegistry.get = (schema) => {
  const id = globalRegistry.get(schema)?.id
  return id === undefined ? undefined : { _internal: { refId: id } }
}

function registered() {
  const app = new OpenAPIHono()
  app.openAPIRegistry.registerComponent('securitySchemes', 'bearer', {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: "The end user's access token, signed by the configured issuer.",
  })
  for (const { route } of [...endpoints, ...probes]) app.openAPIRegistry.registerPath(route)
  return app
}
