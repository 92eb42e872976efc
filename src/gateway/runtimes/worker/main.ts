import { createGatewayWorker } from './handler.ts'

/** The class of the binding `LEDGER`. */
export { LedgerObject } from './ledger-object.ts'

/** The Workers entry. Configuration comes from vars and secrets; each isolate has one app. */
export default createGatewayWorker()
