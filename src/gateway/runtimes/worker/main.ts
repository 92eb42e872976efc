import { createGatewayWorker } from './handler.ts'

/** The Workers entry: configuration from vars and secrets, one app an isolate, no Node modules. */
export default createGatewayWorker()
