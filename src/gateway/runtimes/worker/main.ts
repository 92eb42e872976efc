import { createGatewayWorker } from './handler.ts'

/** The Workers entry. Configuration comes from vars and secrets; each isolate has one app. */
export default createGatewayWorker()
