import type { Config } from '../config/parse.ts'
import type { Ports } from '../ports.ts'
import { type AccessTokens, createAccessTokens } from './access-tokens.ts'
import { createCircuit } from './circuit.ts'
import { createSmhClient, type SmhClient } from './client.ts'
import { createRetryBudget } from './retry-budget.ts'
import { createSmhTransport } from './transport.ts'

/** Builds the SMH client from transport, retries, circuit and access tokens. */
export interface Smh {
  client: SmhClient
  tokens: AccessTokens
  /** Whether calls have failed and SMH has not responded since. */
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
