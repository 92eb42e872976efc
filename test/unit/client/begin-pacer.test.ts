import { expect, test } from 'vitest'
import { createBeginPacer } from '../../../src/client/begin-pacer.ts'

/** A pacer with a clock that the test sets, and a function that learns from a response with these fields. */
function startPacer() {
  let time = 1000
  const pacer = createBeginPacer(() => time)
  function learn(
    remaining: number,
    growsIn: number,
    policy: string | null = '"begins";q=120;w=60',
  ) {
    const headers = new Map([
      ['RateLimit', `"other";r=7;t=7, "begins";r=${remaining};t=${growsIn}`],
      ['RateLimit-Policy', policy],
    ])
    pacer.learn({ get: (name) => headers.get(name) ?? null })
  }
  return {
    ...pacer,
    learn,
    advance(ms: number) {
      time += ms
    },
  }
}

test('begin pacer: without headers there is no delay', () => {
  const { take, learn } = startPacer()
  expect([take(), take()]).toEqual([0, 0])
  learn(0, 1, null)
  learn(0, 1, '"other";q=1;w=60')
  expect([take(), take()]).toEqual([0, 0])
})

test('begin pacer: begins that are left have no delay, the next ones follow at the rate', () => {
  const { take, learn } = startPacer()
  learn(2, 1)
  expect([take(), take()]).toEqual([0, 0])
  learn(0, 1)
  expect([take(), take(), take()]).toEqual([1000, 1500, 2000])
})

test('begin pacer: requests without a response count as used', () => {
  const { take, sends, learn } = startPacer()
  const answered = sends()
  learn(1, 1)
  expect(take()).toBe(500)
  answered()
})

test('begin pacer: a response does not let a later begin overtake one that waits', () => {
  const { take, learn } = startPacer()
  learn(0, 1)
  expect(take()).toBe(1000)
  learn(1, 1)
  expect(take()).toBe(1500)
})

test('begin pacer: after a pause the delay is over', () => {
  const { take, learn, advance } = startPacer()
  learn(0, 1)
  advance(5000)
  expect(take()).toBe(0)
  learn(9, 1)
  advance(600)
  learn(9, 1)
  expect([take(), take()]).toEqual([0, 0])
})
