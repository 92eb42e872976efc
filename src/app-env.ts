import type { User } from './authenticate.ts'

/** What a request carries on its way through the app. */
export interface AppEnv {
  Variables: {
    requestId: string
    /** On the clock of `performance.now()`, milliseconds. */
    startedAt: number
    /** The operation id of the matched endpoint. */
    operation: string
    user: User
  }
}
