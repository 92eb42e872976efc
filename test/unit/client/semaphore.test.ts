import { expect, test } from 'vitest'
import { createSemaphore, type PermitHolder } from '../../../src/client/semaphore.ts'

const { signal } = new AbortController()

/** Work that ends when the test calls `end`. */
function held(name: string, started: string[]) {
  let end = (_error?: Error) => {}
  const work = () =>
    new Promise<string>((resolve, reject) => {
      started.push(name)
      end = (error) => (error ? reject(error) : resolve(name))
    })
  return { work, end: (error?: Error) => end(error) }
}

test('semaphore: at most `limit` tasks run at the same time, in the order of their calls', async () => {
  const { run } = createSemaphore(2)
  const started: string[] = []
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => held(name, started))
  const results = [a!, b!, c!, d!].map(({ work }) => run(work, signal))
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

test('run: a work that is aborted while it waits never starts', async () => {
  const { run } = createSemaphore(1)
  const started: string[] = []
  const [a, b, c] = ['a', 'b', 'c'].map((name) => held(name, started))
  const leaving = new AbortController()
  const first = run(a!.work, signal)
  const second = run(b!.work, leaving.signal)
  const third = run(c!.work, signal)
  leaving.abort(new Error('enough'))
  await expect(second).rejects.toThrow('enough')
  a!.end()
  await first
  await expect.poll(() => started).toEqual(['a', 'c'])
  c!.end()
  expect(await third).toBe('c')
  await expect(run(b!.work, leaving.signal)).rejects.toThrow('enough')
})

test('acquire: a paused holder does not count, and a paused task gets no permit', async () => {
  const { acquire, release, update } = createSemaphore(1)
  const paused = new Set<string>()
  const granted: string[] = []
  const ask = (name: string): PermitHolder => {
    const holder = { isPaused: () => paused.has(name) }
    void acquire(holder).then(() => granted.push(name))
    return holder
  }
  const a = ask('a')
  paused.add('b')
  ask('b')
  ask('c')
  await expect.poll(() => granted).toEqual(['a'])
  release(a)
  await expect.poll(() => granted).toEqual(['a', 'c'])
  paused.add('c').delete('b')
  update()
  await expect.poll(() => granted).toEqual(['a', 'c', 'b'])
})

test('release: a task that still waits is woken and takes no permit', async () => {
  const { acquire, release } = createSemaphore(1)
  const [first, second, third]: PermitHolder[] = [{}, {}, {}]
  await acquire(first!)
  const waiting = acquire(second!)
  release(second!)
  await waiting
  const last = acquire(third!)
  release(first!)
  await last
})
