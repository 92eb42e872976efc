import { isDeepStrictEqual } from 'node:util'
import type { ZodType } from 'zod'
import { problemSchema } from '../../src/gateway/errors.ts'
import { probes } from '../../src/gateway/routes/health.ts'
import { endpoints } from '../../src/gateway/routes/index.ts'

interface Declared {
  description: string
  content?: Record<string, { schema: ZodType }>
}

/**
 * Fails on an answer that the OpenAPI document does not promise: another status, media type or
 * problem code, a field too many or too few. Every request of a harness goes through here.
 */
export async function checkDeclared(
  method: string,
  path: string,
  response: Response,
): Promise<void> {
  const endpoint = [...endpoints, ...probes].find(
    ({ route }) =>
      route.method === method.toLowerCase() && patternOf(route.path).test(path.split('?')[0] ?? ''),
  )
  if (!endpoint) return
  const { operationId, responses } = endpoint.route
  const said = `${operationId} answered ${response.status}`
  const declared = responses[response.status] as Declared | undefined
  if (!declared) throw new Error(`${said}, which its document does not know`)
  const text = await response.clone().text()
  const [mediaType] = Object.keys(declared.content ?? {})
  if (mediaType === undefined) {
    if (text !== '') throw new Error(`${said} with a body`)
    return
  }
  if (response.headers.get('content-type') !== mediaType) {
    throw new Error(`${said} as ${response.headers.get('content-type')}`)
  }
  const body: unknown = JSON.parse(text)
  const schema = declared.content?.[mediaType]?.schema as ZodType
  const { error, data } = schema.safeParse(body)
  if (error) throw new Error(`${said} with another body: ${JSON.stringify(error.issues)}`)
  // The document lets responses have more fields than it declares; ours have none.
  if (!isDeepStrictEqual(data, body)) {
    throw new Error(`${said} with fields that are not declared: ${text}`)
  }
  if (schema !== problemSchema) return
  const { code } = body as { code: string }
  if (!declared.description.includes(`\`${code}\``)) throw new Error(`${said} with ${code}`)
}

function patternOf(path: string): RegExp {
  return new RegExp(`^${path.replace(/\{\w+\}/g, '[^/]+')}$`)
}
