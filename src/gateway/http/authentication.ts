import type { Authenticate } from '../auth/authenticate.ts'
import type { Step } from './pipeline.ts'

/** Verifies the token. Throws what `authenticate` throws. */
export function authenticateUser(authenticate: Authenticate): Step {
  return async (request) => {
    const authorization = request.hono.req.header('authorization')
    request.user = await authenticate(authorization, request.background)
    return undefined
  }
}
