import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ConfirmKeyConfig } from '../../../../src/gateway/config/parse.ts'
import { conceal } from '../../../../src/gateway/config/secret.ts'
import type { ConfirmKeyClaims, UploadScope } from '../../../../src/gateway/smh/upload.ts'
import { createConfirmKeySigner } from '../../../../src/gateway/uploads/confirm-key.ts'

import { hostileText } from '../../../support/hostile-values.ts'

const now = 1_800_000_000_000
const claims: ConfirmKeyClaims = {
  smhConfirmKey: 'c0ffee'.repeat(10),
  size: 5_368_709_120,
  method: 'multipart',
  strategy: 'rename',
  endsAt: now / 1000 + 60,
}
const ann: UploadScope = { userId: 'ann', spaceId: 'space-1', rootPath: [] }
const realm = ['https://issuer.example', 'sub', 'smh0library']

const given = (...secrets: string[]): ConfirmKeyConfig => ({
  kind: 'given',
  secrets: secrets.map(conceal),
})
const secretA = 'a'.repeat(32)
const secretB = 'b'.repeat(32)
const signer = createConfirmKeySigner(given(secretA), realm)

describe('confirm key', () => {
  test.each(['rename', 'ask', 'overwrite'] as const)(
    'verify returns the signed claims to the same user (%s)',
    (strategy) => {
      const key = signer.sign(ann, { ...claims, strategy })
      expect(signer.verify(ann, key, now)).toEqual({ ...claims, strategy, scope: ann })
    },
  )

  test('is short and URL-safe', () => {
    const scope = { ...ann, userId: 'x'.repeat(256), spaceId: 's'.repeat(128) }
    const key = signer.sign(scope, { ...claims, smhConfirmKey: 'f'.repeat(128) })
    expect(key).toMatch(/^[\w.-]{100,512}$/)
    expect(signer.verify(scope, key, now)).toMatchObject({ size: claims.size })
  })

  test('is invalid for another user, space or realm', () => {
    const key = signer.sign(ann, claims)
    expect(signer.verify({ ...ann, userId: 'bob' }, key, now)).toBeUndefined()
    expect(signer.verify({ ...ann, spaceId: 'space-2' }, key, now)).toBeUndefined()
    for (const other of [
      ['https://other.example', 'sub', 'smh0library'],
      ['https://issuer.example', 'email', 'smh0library'],
      ['https://issuer.example', 'sub', 'smh0'],
    ]) {
      const elsewhere = createConfirmKeySigner(given(secretA), other)
      expect(elsewhere.verify(ann, key, now)).toBeUndefined()
    }
  })

  test('is invalid when a character moves from the user to the space', () => {
    const key = signer.sign({ ...ann, userId: 'b', spaceId: 'a","c' }, claims)
    expect(signer.verify({ ...ann, userId: 'c","b', spaceId: 'a' }, key, now)).toBeUndefined()
  })

  test('is invalid after it expires', () => {
    const key = signer.sign(ann, claims)
    expect(signer.verify(ann, key, claims.endsAt * 1000 - 1)).toBeDefined()
    expect(signer.verify(ann, key, claims.endsAt * 1000)).toBeUndefined()
  })

  test('is invalid when any character is changed', () => {
    const key = signer.sign(ann, claims)
    for (let at = 0; at < key.length; at += 1) {
      for (const character of ['A', 'b', '0', '_', '.']) {
        if (key[at] === character) continue
        const changed = key.slice(0, at) + character + key.slice(at + 1)
        expect(signer.verify(ann, changed, now), `${at}: ${character}`).toBeUndefined()
      }
    }
  })

  test('has one spelling: the spare bits of the MAC must be zero', () => {
    const key = signer.sign(ann, claims)
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const last = alphabet.indexOf(key.at(-1) as string)
    expect(last % 4).toBe(0)
    for (const spare of [1, 2, 3]) {
      const twin = key.slice(0, -1) + alphabet[last + spare]
      expect(signer.verify(ann, twin, now)).toBeUndefined()
    }
  })

  test.each(['', '1', 'x'.repeat(10_000), '1.1.1.r.AA.AA', '2.1.1.r.AA.'.padEnd(54, 'A')])(
    'is never valid as %s',
    (key) => {
      expect(signer.verify(ann, key, now)).toBeUndefined()
    },
  )

  test('property: no changed or invented key is valid', () => {
    const key = signer.sign(ann, claims)
    const other = signer.sign({ ...ann, userId: 'bob' }, { ...claims, size: 1 })
    const spliced = fc
      .tuple(fc.nat(key.length), fc.nat(key.length), fc.oneof(hostileText, fc.constant(other)))
      .map(([from, to, text]) => key.slice(0, from) + text + key.slice(to))
    const recombined = fc
      .array(fc.constantFrom(...key.split('.'), ...other.split('.')), { maxLength: 7 })
      .map((fields) => fields.join('.'))
    const made = fc.oneof(spliced, recombined, hostileText)
    fc.assert(
      fc.property(made, (text) => {
        if (text !== key) expect(signer.verify(ann, text, now)).toBeUndefined()
      }),
      { numRuns: 300 },
    )
  })

  test('property: a key is valid only for its user and space, for any ids', () => {
    fc.assert(
      fc.property(hostileText, hostileText, hostileText, (one, two, three) => {
        const owner = { userId: one, spaceId: two, rootPath: [] }
        const key = signer.sign(owner, claims)
        expect(signer.verify(owner, key, now)).toBeDefined()
        const strangers = [
          { userId: two, spaceId: one },
          { userId: one, spaceId: three },
          { userId: three, spaceId: two },
          { userId: `${one}","${two}`, spaceId: '' },
          { userId: '', spaceId: one + two },
        ]
        for (const stranger of strangers) {
          const same = stranger.userId === one && stranger.spaceId === two
          const opened = signer.verify({ ...stranger, rootPath: [] }, key, now)
          if (!same) expect(opened).toBeUndefined()
        }
      }),
      { numRuns: 100 },
    )
  })

  test("has at most 512 characters when SMH's key has 256 bytes", () => {
    const bound = (bytes: number) =>
      signer.sign(ann, { ...claims, smhConfirmKey: 'f'.repeat(bytes) })
    expect(bound(256).length).toBeLessThanOrEqual(512)
    expect(signer.verify(ann, bound(256), now)).toBeDefined()
    expect(signer.verify(ann, bound(257), now)).toBeUndefined()
  })

  test('is invalid with extra characters before or after it', () => {
    const key = signer.sign(ann, claims)
    for (const odd of [` ${key}`, `${key} `, `${key}\n`, `x${key}`, `${key}x`]) {
      expect(signer.verify(ann, odd, now)).toBeUndefined()
    }
  })
})

describe('confirm key secrets', () => {
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
  ] as const)('a key of an earlier release stays valid: %s', (_, config, key) => {
    const pinned = { ...claims, smhConfirmKey: 'c0ffeec0ffee' }
    expect(createConfirmKeySigner(config, realm).sign(ann, pinned)).toBe(key)
  })

  test('the first secret signs, and all verify', () => {
    const old = signer.sign(ann, claims)
    const rotated = createConfirmKeySigner(given(secretB, secretA), realm)
    expect(rotated.verify(ann, old, now)).toMatchObject({ size: claims.size })
    const fresh = rotated.sign(ann, claims)
    expect(createConfirmKeySigner(given(secretB), realm).verify(ann, fresh, now)).toBeDefined()
    expect(signer.verify(ann, fresh, now)).toBeUndefined()
  })

  test('all instances derive the same secret from the library secret', () => {
    const derived = () =>
      createConfirmKeySigner({ kind: 'derived', from: conceal('library secret') }, realm)
    const key = derived().sign(ann, claims)
    expect(derived().verify(ann, key, now)).toMatchObject({ size: claims.size })
    const other = createConfirmKeySigner({ kind: 'derived', from: conceal('another') }, realm)
    expect(other.verify(ann, key, now)).toBeUndefined()
    const asGiven = createConfirmKeySigner(given('library secret'), realm)
    expect(asGiven.verify(ann, key, now)).toBeUndefined()
  })
})
