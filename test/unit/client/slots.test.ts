import { expect, test } from 'vitest'
import { createSlots } from '../../../src/client/slots.ts'

const { signal } = new AbortController()

/** Work that ends when it is told to. */
function held(name: string, started: string[]) {
  let end = (_error?: Error) => {}
  const work = () =>
    new Promise<string>((resolve, reject) => {
      started.push(name)
      end = (error) => (error ? reject(error) : resolve(name))
    })
  return { work, end: (error?: Error) => end(error) }
}

test('no more than so many at a time, in the order in which they came', async () => {
  const withSlot = createSlots(2)
  const started: string[] = []
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => held(name, started))
  const results = [a!, b!, c!, d!].map(({ work }) => withSlot(work, signal))
  await expect.poll(() => started).toEqual(['a', 'b'])
  b!.end()
  await expect.poll(() => started).toEqual(['a', 'b', 'c'])
  a!.end(new Error('failed'))
  await expect(results[0]).rejects.toThrow('failed')
  await expect.poll(() => started).toEqual(['a', 'b', 'c', 'd'])
  c!.end()
  d!.end()
  expect(await Promise.all(results.slice(1))).toEqual(['b', 'c', 'd'])
})

test('who gives up while waiting leaves the queue', async () => {
  const withSlot = createSlots(1)
  const started: string[] = []
  const [a, b, c] = ['a', 'b', 'c'].map((name) => held(name, started))
  const leaving = new AbortController()
  const first = withSlot(a!.work, signal)
  const second = withSlot(b!.work, leaving.signal)
  const third = withSlot(c!.work, signal)
  leaving.abort(new Error('enough'))
  await expect(second).rejects.toThrow('enough')
  a!.end()
  await first
  await expect.poll(() => started).toEqual(['a', 'c'])
  c!.end()
  expect(await third).toBe('c')
  await expect(withSlot(b!.work, leaving.signal)).rejects.toThrow('enough')
})
