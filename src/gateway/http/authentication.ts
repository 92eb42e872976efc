import type { Authenticate } from '../auth/authenticate.ts'
import type { Step } from './pipeline.ts'

/** Verifies the token. Throws what `authenticate` throws. */
export function authenticateUser(authenticate: Authenticate): Step {
  return (request) => {
    // Hono joins several `Authorization` headers, which are then invalid. Node uses the first one.
    const user = authenticate(request.hono.req.header('authorization'), request.background)
    if (user instanceof Promise) return user.then((verified) => request.setUser(verified))
    return request.setUser(user)
  }
}
