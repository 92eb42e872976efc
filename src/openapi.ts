import { OpenAPIHono } from '@hono/zod-openapi'
import { probes } from './routes/health.ts'
import { endpoints } from './routes/index.ts'

/** The OpenAPI 3.1 document of all endpoints; what `openapi/openapi.json` holds. */
export function openApiDocument() {
  const { openAPIRegistry, getOpenAPI31Document } = new OpenAPIHono()
  openAPIRegistry.registerComponent('securitySchemes', 'bearer', {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: "The end user's access token, signed by the configured issuer.",
  })
  for (const { route } of [...endpoints, ...probes]) openAPIRegistry.registerPath(route)
  return getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'SMH upload gateway',
      version: '1',
      description:
        'Uploads into Tencent Cloud Smart Media Hosting (SMH) without handing out its token. ' +
        'Begin an upload here, send the parts straight to COS with what you are given, complete it here. ' +
        'All errors are RFC 9457 problem details: decide by `code`.',
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    servers: [{ url: '/', description: 'This gateway' }],
    tags: [
      { name: 'Uploads', description: 'The life of one upload.' },
      { name: 'Health', description: 'For load balancers.' },
    ],
    security: [{ bearer: [] }],
  })
}
