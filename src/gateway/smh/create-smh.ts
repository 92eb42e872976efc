import type { Config } from '../config/parse.ts'
import type { Ports } from '../ports.ts'
import { type AccessTokens, createAccessTokens } from './access-tokens.ts'
import { createCircuit } from './circuit.ts'
import { createSmhClient, type SmhClient } from './client.ts'
import { createRetryBudget } from './retry-budget.ts'
import { createSmhTransport } from './transport.ts'

/** Everything that knows SMH, put together: transport, retries, circuit, access tokens and client. */
export interface Smh {
  client: SmhClient
  tokens: AccessTokens
  /** Whether calls have failed and SMH has answered none since. */
  isInDoubt(): boolean
}

/** @param timeoutMs of one call */
export function createSmh(ports: Ports, { smh, upload }: Config, timeoutMs: number): Smh {
  const { httpClient, monotonicClock, log, metrics, singleFlight } = ports
  const circuit = createCircuit({ monotonicClock, log, metrics, trialMs: 3 * timeoutMs })
  const retries = createRetryBudget(monotonicClock)
  const send = circuit.guard(
    createSmhTransport(smh.endpoint, timeoutMs, httpClient, metrics, retries),
  )
  const tokens = createAccessTokens({ smh, upload, send, monotonicClock, singleFlight, timeoutMs })
  return {
    client: createSmhClient(smh.libraryId, tokens, send),
    tokens,
    isInDoubt: circuit.isInDoubt,
  }
}
