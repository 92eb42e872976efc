import type { SingleFlight } from '../../ports.ts'

/** Creates the single flight for Node: concurrent callers of the same key share one promise. */
export function createSingleFlight(): SingleFlight {
  const flights = new Map<string, Promise<unknown>>()
  return function singleFlight<T>(key: string, obtain: () => Promise<T>): Promise<T> {
    const flying = flights.get(key)
    if (flying) return flying as Promise<T>
    const flight = obtain().finally(() => flights.delete(key))
    flights.set(key, flight)
    return flight
  }
}

/**
 * Limits the concurrent flights of one key on Workers. It is more than one, because the platform may end
 * the request that started a flight.
 */
export const MAX_FLIGHTS = 4

/** How often waiting callers check for a result, milliseconds. */
const LOOK_MS = 20

interface Flights {
  /** When each flight counts as lost, by `performance.now()`. */
  underWay: Set<{ endsAt: number }>
  landings: number
  last?: { value: unknown } | { error: unknown }
}

/**
 * Creates the single flight for Workers. There a request must not await a promise of another request,
 * because that promise may never settle. So at most {@link MAX_FLIGHTS} callers of the same key obtain the
 * value separately. The other callers poll for the result of the next flight that ends.
 *
 * @param flightMs after this time a flight counts as lost, and another one may start
 */
export function createBoundedFlights(flightMs: number): SingleFlight {
  const all = new Map<string, Flights>()

  async function fly<T>(key: string, flights: Flights, obtain: () => Promise<T>): Promise<T> {
    const flight = { endsAt: performance.now() + flightMs }
    flights.underWay.add(flight)
    try {
      const value = await obtain()
      flights.last = { value }
      return value
    } catch (error) {
      flights.last = { error }
      throw error
    } finally {
      flights.landings += 1
      flights.underWay.delete(flight)
      if (flights.underWay.size === 0 && all.get(key) === flights) all.delete(key)
    }
  }

  return async function singleFlight<T>(key: string, obtain: () => Promise<T>): Promise<T> {
    const flights = all.get(key) ?? { underWay: new Set(), landings: 0 }
    all.set(key, flights)
    const seen = flights.landings
    while (flights.landings === seen || !flights.last) {
      const now = performance.now()
      for (const each of flights.underWay) if (each.endsAt <= now) flights.underWay.delete(each)
      if (flights.underWay.size < MAX_FLIGHTS) return fly(key, flights, obtain)
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    }
    if ('error' in flights.last) throw flights.last.error
    return flights.last.value as T
  }
}
