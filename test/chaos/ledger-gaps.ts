import type { GatewayProcess } from './gateway-process.ts'
import type { RedisProcess } from './redis-process.ts'

/** A time in which a gateway may have used its own ledger, or in which Redis lost its data. */
export interface Gap {
  /** Milliseconds since the epoch. */
  from: number
  to: number
}

/** A call waits for Redis at most 200 ms before the gateway logs the outage. A busy machine needs longer. */
const NOTICE_MS = 1_500

/** After an outage a gateway uses Redis again within this time, milliseconds. */
const RETURN_MS = 6_000

/** When a gateway has used its own ledger, by its log. */
export function ledgerGapsOf(gateway: Pick<GatewayProcess, 'starts' | 'written'>): Gap[] {
  const events = [
    ...gateway.starts().map((at) => ({ at, event: 'start' })),
    ...ledgerEventsIn(gateway.written()),
  ].sort((one, other) => one.at - other.at)
  const gaps: Gap[] = []
  for (const { at, event } of events) {
    const last = gaps.at(-1)
    if (event === 'ledger_unavailable') gaps.push({ from: at - NOTICE_MS, to: Infinity })
    // One call only. What it began is known to its gateway alone.
    else if (event === 'ledger_bypassed') gaps.push({ from: at - NOTICE_MS, to: at + RETURN_MS })
    else if (last?.to === Infinity) last.to = at + NOTICE_MS
  }
  return gaps
}

/** Every time in which begins and lists may differ between the gateways. */
export function gapsOf(redis: RedisProcess | undefined, gateways: readonly GatewayProcess[]) {
  if (!redis) return [{ from: 0, to: Infinity }]
  const outages = redis.outages.map(({ from, to }) => ({ from, to: to + RETURN_MS }))
  return [...outages, ...gateways.flatMap(ledgerGapsOf)]
}

function* ledgerEventsIn(written: string) {
  for (const [line] of written.matchAll(/^.*"event":"ledger_(?:(?:un)?available|bypassed)".*$/gm)) {
    const { time, event } = JSON.parse(line) as { time: string; event: string }
    yield { at: Date.parse(time), event }
  }
}
