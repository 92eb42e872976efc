import { type Operation, operations, responseErrors } from './published-document.ts'

/**
 * Fails on a response that the OpenAPI document does not declare: another status, media type or
 * problem code, a field too many or too few. Every request of a harness is checked here.
 */
export async function checkDeclared(
  method: string,
  path: string,
  response: Response,
): Promise<void> {
  const operation = operationAt(method, path.split('?')[0] ?? '')
  if (!operation) return
  const found = `${operation.id} answered ${response.status}`
  const declared = operation.responses[response.status]
  if (!declared) throw new Error(`${found}, a status that the document does not declare`)
  const text = await response.clone().text()
  const [mediaType] = Object.keys(declared.content ?? {})
  if (mediaType === undefined) {
    if (text !== '') throw new Error(`${found} with a body`)
    return
  }
  if (response.headers.get('content-type') !== mediaType) {
    throw new Error(`${found} as ${response.headers.get('content-type')}`)
  }
  const body: unknown = JSON.parse(text)
  const errors = responseErrors(operation, response.status, mediaType, body)
  if (errors) throw new Error(`${found} with an undeclared body: ${errors} in ${text}`)
  if (mediaType !== 'application/problem+json') return
  const { code } = body as { code: string }
  if (!declared.description.includes(`\`${code}\``)) {
    throw new Error(`${found} with ${code}, a code that the document does not declare`)
  }
}

function operationAt(method: string, path: string): Operation | undefined {
  return operations.find(
    (operation) => operation.method === method && patternOf(operation.path).test(path),
  )
}

function patternOf(path: string): RegExp {
  return new RegExp(`^${path.replace(/\{\w+\}/g, '[^/]+')}$`)
}
