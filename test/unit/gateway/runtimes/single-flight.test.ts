import { expect, onTestFinished, test, vi } from 'vitest'
import {
  createBoundedFlights,
  MAX_FLIGHTS,
} from '../../../../src/gateway/runtimes/shared/single-flight.ts'

const FLIGHT_MS = 5_000

/** Callers of one key, and the flights that they begin, which end when the test says so. */
function startFlights() {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  const singleFlight = createBoundedFlights(FLIGHT_MS)
  const flights: PromiseWithResolvers<string>[] = []
  const call = (key = 'a') =>
    singleFlight(key, () => {
      flights.push(Promise.withResolvers())
      return flights.at(-1)!.promise
    })
  return { call, calls: (count: number) => Array.from({ length: count }, () => call()), flights }
}

test('single flight on Workers: waiting callers get the result of the first flight that ends', async () => {
  const { calls, flights } = startFlights()
  const all = calls(20)
  await vi.advanceTimersByTimeAsync(1_000)
  expect(flights).toHaveLength(MAX_FLIGHTS)
  flights[2]!.resolve('landed')
  await vi.advanceTimersByTimeAsync(1_000)
  expect(await Promise.all(all.slice(MAX_FLIGHTS))).toEqual(Array(16).fill('landed'))
  expect(flights).toHaveLength(MAX_FLIGHTS)
  for (const flight of flights) flight.resolve('later')
  await Promise.all(all)
})

test('single flight on Workers: waiting callers get the error of the first flight that fails', async () => {
  const { calls, flights } = startFlights()
  const all = calls(6).map((each) => each.catch((error: Error) => error.message))
  flights[0]!.reject(new Error('refused'))
  await vi.advanceTimersByTimeAsync(1_000)
  expect(await Promise.all(all.slice(MAX_FLIGHTS))).toEqual(['refused', 'refused'])
  for (const flight of flights) flight.resolve('landed')
  expect(await Promise.all(all)).toEqual([
    'refused',
    'landed',
    'landed',
    'landed',
    'refused',
    'refused',
  ])
})

test('single flight on Workers: a flight that never ends is replaced by another', async () => {
  const { calls, flights } = startFlights()
  const all = calls(MAX_FLIGHTS + 1)
  await vi.advanceTimersByTimeAsync(FLIGHT_MS - 20)
  expect(flights).toHaveLength(MAX_FLIGHTS)
  await vi.advanceTimersByTimeAsync(40)
  expect(flights).toHaveLength(MAX_FLIGHTS + 1)
  flights.at(-1)!.resolve('landed')
  expect(await all.at(-1)).toBe('landed')
})

test('single flight on Workers: later callers and callers of another key do not get the result', async () => {
  const { call, flights } = startFlights()
  const first = call()
  const other = call('b')
  flights[0]!.resolve('first')
  expect(await first).toBe('first')
  const second = call()
  flights[2]!.resolve('second')
  expect(await second).toBe('second')
  flights[1]!.resolve('other')
  expect(await other).toBe('other')
})
