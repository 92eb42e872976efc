import type { Share } from './deps.ts'

/** For Node: callers of the same key share one flight, and the next one starts after it landed. */
export function oneFlight(): Share {
  const flights = new Map<string, Promise<unknown>>()
  return function share<T>(key: string, obtain: () => Promise<T>): Promise<T> {
    const flying = flights.get(key)
    if (flying) return flying as Promise<T>
    const flight = obtain().finally(() => flights.delete(key))
    flights.set(key, flight)
    return flight
  }
}

/** For Workers: awaiting I/O that another request began may never settle there. */
export const eachAlone: Share = (_key, obtain) => obtain()
