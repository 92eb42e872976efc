/** biome-ignore-all lint/suspicious/noConsole: the console is where a Worker's log goes. */
import type { Execution } from '../../src/gateway/ports.ts'
import type { LedgerBinding } from '../../src/gateway/runtimes/worker/durable-ledger.ts'
import {
  type Bindings,
  createGatewayWorker,
  type GatewayWorker,
} from '../../src/gateway/runtimes/worker/handler.ts'

export { LedgerObject } from '../../src/gateway/runtimes/worker/ledger-object.ts'

/**
 * Many gateways in one workerd, each identified by its port. Each is the Worker of
 * `src/gateway/runtimes/worker/main.ts` with the clocks of the test, which it requests before each request.
 */
const gateways = new Map<string, Gateway>()

/** Far more than the tests that run at the same time use. A gateway takes megabytes, and workerd has a limit. */
const MAX_GATEWAYS = 50

interface Gateway {
  worker: GatewayWorker
  environment: Record<string, string>
  now: number
  lasted: number
}

export default {
  async fetch(request: Request, bindings: Bindings, execution: Execution): Promise<Response> {
    const { port } = new URL(request.url)
    const harness = bindings.TEST_HARNESS as { fetch(url: string): Promise<Response> }
    const told = (await (await harness.fetch(`http://bench.test/${port}`)).json()) as {
      id: string
      environment: Record<string, string>
      now: number
      lasted: number
      bodyTimeoutMs?: number
    }
    const { id, environment, now, lasted, bodyTimeoutMs } = told
    const gateway = gateways.get(id) ?? start(id, environment, bodyTimeoutMs)
    gateway.now = now
    gateway.lasted = lasted
    const { CALL_RATE_LIMIT, ASSETS } = bindings
    const LEDGER = ownLedger(bindings.LEDGER as LedgerBinding, id)
    return gateway.worker.fetch(
      request,
      { ...gateway.environment, CALL_RATE_LIMIT, LEDGER, ASSETS } as Bindings,
      execution,
    )
  },
}

/** The ledger of one gateway. An issuer may have the address of an earlier test's. */
function ownLedger(ledger: LedgerBinding, id: string): LedgerBinding {
  return {
    idFromName: (name) => ledger.idFromName(`${id} ${name}`),
    get: (object) => ledger.get(object),
  }
}

function start(id: string, environment: Record<string, string>, bodyTimeoutMs?: number): Gateway {
  const gateway: Gateway = {
    worker: createGatewayWorker({
      clock: () => gateway.now,
      monotonicClock: () => gateway.lasted,
      write: (line) => console.log(`${id} ${line}`),
      bodyTimeoutMs,
    }),
    environment,
    now: 0,
    lasted: 0,
  }
  gateways.set(id, gateway)
  const [oldest = ''] = gateways.keys()
  if (gateways.size > MAX_GATEWAYS) gateways.delete(oldest)
  return gateway
}
