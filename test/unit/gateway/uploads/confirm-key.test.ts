import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ConfirmKeyConfig } from '../../../../src/gateway/config/parse.ts'
import { conceal } from '../../../../src/gateway/config/secret.ts'
import {
  createConfirmKeyBinding,
  type UploadFacts,
} from '../../../../src/gateway/uploads/confirm-key.ts'
import type { Place } from '../../../../src/gateway/uploads/policy.ts'
import { hostileText } from '../../../support/hostile-values.ts'

const now = 1_800_000_000_000
const facts: UploadFacts = {
  smhConfirmKey: 'c0ffee'.repeat(10),
  size: 5_368_709_120,
  strategy: 'rename',
  endsAt: now / 1000 + 60,
}
const ann: Place = { userId: 'ann', spaceId: 'space-1', prefix: [] }
const realm = ['https://issuer.example', 'sub', 'smh0library']

const given = (...secrets: string[]): ConfirmKeyConfig => ({
  kind: 'given',
  secrets: secrets.map(conceal),
})
const secretA = 'a'.repeat(32)
const secretB = 'b'.repeat(32)
const binding = createConfirmKeyBinding(given(secretA), realm)

describe('a bound confirm key', () => {
  test.each(['rename', 'ask', 'overwrite'] as const)(
    'gives its owner the facts back (%s)',
    (strategy) => {
      const key = binding.bind(ann, { ...facts, strategy })
      expect(binding.open(ann, key, now)).toEqual({ ...facts, strategy, place: ann })
    },
  )

  test('is short and safe in a URL', () => {
    const place = { ...ann, userId: 'x'.repeat(256), spaceId: 's'.repeat(128) }
    const key = binding.bind(place, { ...facts, smhConfirmKey: 'f'.repeat(128) })
    expect(key).toMatch(/^[\w.-]{100,512}$/)
    expect(binding.open(place, key, now)).toMatchObject({ size: facts.size })
  })

  test('opens for nobody else, in no other space and no other realm', () => {
    const key = binding.bind(ann, facts)
    expect(binding.open({ ...ann, userId: 'bob' }, key, now)).toBeUndefined()
    expect(binding.open({ ...ann, spaceId: 'space-2' }, key, now)).toBeUndefined()
    for (const other of [
      ['https://other.example', 'sub', 'smh0library'],
      ['https://issuer.example', 'email', 'smh0library'],
      ['https://issuer.example', 'sub', 'smh0'],
    ]) {
      const elsewhere = createConfirmKeyBinding(given(secretA), other)
      expect(elsewhere.open(ann, key, now)).toBeUndefined()
    }
  })

  test('is not opened by shifting a border between the user and the space', () => {
    const key = binding.bind({ ...ann, userId: 'b', spaceId: 'a","c' }, facts)
    expect(binding.open({ ...ann, userId: 'c","b', spaceId: 'a' }, key, now)).toBeUndefined()
  })

  test('ends', () => {
    const key = binding.bind(ann, facts)
    expect(binding.open(ann, key, facts.endsAt * 1000 - 1)).toBeDefined()
    expect(binding.open(ann, key, facts.endsAt * 1000)).toBeUndefined()
  })

  test('is of no use when any character of it is another', () => {
    const key = binding.bind(ann, facts)
    for (let at = 0; at < key.length; at += 1) {
      for (const character of ['A', 'b', '0', '_', '.']) {
        if (key[at] === character) continue
        const changed = key.slice(0, at) + character + key.slice(at + 1)
        expect(binding.open(ann, changed, now), `${at}: ${character}`).toBeUndefined()
      }
    }
  })

  test('has one spelling: the spare bits of the MAC must be zero', () => {
    const key = binding.bind(ann, facts)
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const last = alphabet.indexOf(key.at(-1) as string)
    expect(last % 4).toBe(0)
    for (const spare of [1, 2, 3]) {
      const twin = key.slice(0, -1) + alphabet[last + spare]
      expect(binding.open(ann, twin, now)).toBeUndefined()
    }
  })

  test.each(['', '1', 'x'.repeat(10_000), '1.1.1.r.AA.AA', '2.1.1.r.AA.'.padEnd(54, 'A')])(
    'cannot be %s',
    (key) => {
      expect(binding.open(ann, key, now)).toBeUndefined()
    },
  )

  test('is opened by nothing but itself, whatever is put into it or made up', () => {
    const key = binding.bind(ann, facts)
    const other = binding.bind({ ...ann, userId: 'bob' }, { ...facts, size: 1 })
    const spliced = fc
      .tuple(fc.nat(key.length), fc.nat(key.length), fc.oneof(hostileText, fc.constant(other)))
      .map(([from, to, text]) => key.slice(0, from) + text + key.slice(to))
    const recombined = fc
      .array(fc.constantFrom(...key.split('.'), ...other.split('.')), { maxLength: 7 })
      .map((fields) => fields.join('.'))
    const made = fc.oneof(spliced, recombined, hostileText)
    fc.assert(
      fc.property(made, (text) => {
        if (text !== key) expect(binding.open(ann, text, now)).toBeUndefined()
      }),
      { numRuns: 300 },
    )
  })

  test('opens for the one owner that it was bound to, whatever the ids are', () => {
    fc.assert(
      fc.property(hostileText, hostileText, hostileText, (one, two, three) => {
        const owner = { userId: one, spaceId: two, prefix: [] }
        const key = binding.bind(owner, facts)
        expect(binding.open(owner, key, now)).toBeDefined()
        const strangers = [
          { userId: two, spaceId: one },
          { userId: one, spaceId: three },
          { userId: three, spaceId: two },
          { userId: `${one}","${two}`, spaceId: '' },
          { userId: '', spaceId: one + two },
        ]
        for (const stranger of strangers) {
          const same = stranger.userId === one && stranger.spaceId === two
          const opened = binding.open({ ...stranger, prefix: [] }, key, now)
          if (!same) expect(opened).toBeUndefined()
        }
      }),
      { numRuns: 100 },
    )
  })

  test('takes up to 256 bytes of SMH, and stays within 512 characters', () => {
    const bound = (bytes: number) =>
      binding.bind(ann, { ...facts, smhConfirmKey: 'f'.repeat(bytes) })
    expect(bound(256).length).toBeLessThanOrEqual(512)
    expect(binding.open(ann, bound(256), now)).toBeDefined()
    expect(binding.open(ann, bound(257), now)).toBeUndefined()
  })

  test('is not opened with something before or after it', () => {
    const key = binding.bind(ann, facts)
    for (const odd of [` ${key}`, `${key} `, `${key}\n`, `x${key}`, `${key}x`]) {
      expect(binding.open(ann, odd, now)).toBeUndefined()
    }
  })
})

describe('the keys', () => {
  // A release that made or read keys in another way would orphan every upload under way.
  test.each([
    [
      'given',
      given(secretA),
      '1.tro8xo.2gse2gw.r.YzBmZmVlYzBmZmVl.mcHRk_xR8kMMv0mCw3UwFXrp4ecwUJ1nwEIq3Zdk-20',
    ],
    [
      'derived',
      { kind: 'derived', from: conceal('library secret') },
      '1.tro8xo.2gse2gw.r.YzBmZmVlYzBmZmVl.Yd08r9Q8P5r71KgQgnjHHQ7S8M2ig5hFhM8ngi6NpKA',
    ],
  ] as const)('stay what they are from release to release: %s', (_, config, key) => {
    const pinned = { ...facts, smhConfirmKey: 'c0ffeec0ffee' }
    expect(createConfirmKeyBinding(config, realm).bind(ann, pinned)).toBe(key)
  })

  test('rotate: the first signs, all verify', () => {
    const old = binding.bind(ann, facts)
    const rotated = createConfirmKeyBinding(given(secretB, secretA), realm)
    expect(rotated.open(ann, old, now)).toMatchObject({ size: facts.size })
    const fresh = rotated.bind(ann, facts)
    expect(createConfirmKeyBinding(given(secretB), realm).open(ann, fresh, now)).toBeDefined()
    expect(binding.open(ann, fresh, now)).toBeUndefined()
  })

  test('are derived from the library secret, the same in every instance', () => {
    const derived = () =>
      createConfirmKeyBinding({ kind: 'derived', from: conceal('library secret') }, realm)
    const key = derived().bind(ann, facts)
    expect(derived().open(ann, key, now)).toMatchObject({ size: facts.size })
    const other = createConfirmKeyBinding({ kind: 'derived', from: conceal('another') }, realm)
    expect(other.open(ann, key, now)).toBeUndefined()
    const asGiven = createConfirmKeyBinding(given('library secret'), realm)
    expect(asGiven.open(ann, key, now)).toBeUndefined()
  })
})
