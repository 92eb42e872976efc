import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { User } from '../../../../src/gateway/auth/authenticate.ts'
import type { UploadRules } from '../../../../src/gateway/config/parse.ts'
import { GatewayError } from '../../../../src/gateway/errors.ts'
import type { UploadScope, WantedUpload } from '../../../../src/gateway/smh/upload.ts'
import {
  permitCompletion,
  permitTrafficLimit,
  permitUpload,
  readMetadata,
  relativePath,
  resolveScope,
} from '../../../../src/gateway/uploads/policy.ts'
import { parseWith } from '../../../support/config.ts'
import { hostileJson, hostileText } from '../../../support/hostile-values.ts'

/** The prefix is `users/{sub}`. */
const rules: UploadRules = { ...parseWith().upload, maxBytes: 1000 }
const space = { kind: 'fixed', id: 'space-1' } as const
const wanted: WantedUpload = {
  path: 'a/b.txt',
  size: 1000,
  method: 'multipart',
  conflictResolutionStrategy: 'rename',
}
const scope: UploadScope = { userId: 'ann', spaceId: 'space-1', rootPath: ['users', 'ann'] }

function user(claims: Record<string, unknown>): User {
  return { id: 'ann', claims } as unknown as User
}

/** The code, reason and errors that `act` refuses with. */
function refusal(act: () => unknown) {
  try {
    act()
  } catch (error) {
    if (error instanceof GatewayError) {
      expect(error.message).toMatch(/^[A-Z].+\.$/)
      for (const { message } of error.details.errors ?? []) expect(message).toMatch(/^\w.+/)
      return { code: error.code, reason: error.details.reason, errors: error.details.errors }
    }
    throw error
  }
  throw new Error('was not refused')
}

describe('policy: scope of a user', () => {
  test('has the fixed space and the folder of the claim', () => {
    expect(resolveScope(space, rules, user({ sub: 'Ann' }))).toEqual({
      userId: 'ann',
      spaceId: 'space-1',
      rootPath: ['users', '=41nn'],
    })
  })

  test('keeps the text around a claim', () => {
    const around = { ...rules, prefix: [{ before: 'u-', claim: 'team', after: '.d' }] }
    expect(resolveScope(space, around, user({ team: 'red' })).rootPath).toEqual(['u-red.d'])
  })

  test('has the space of the claim if SMH_SPACE_CLAIM is set', () => {
    const byClaim = { kind: 'claim', claim: 'tenant' } as const
    expect(resolveScope(byClaim, rules, user({ sub: 'a', tenant: 'space-9' })).spaceId).toBe(
      'space-9',
    )
  })

  test.each([undefined, '', '-', 'a,b', 'a/b', '..', 7, ['space-1'], 'x'.repeat(200)])(
    'is not_permitted for the space claim %j',
    (tenant) => {
      const byClaim = { kind: 'claim', claim: 'tenant' } as const
      expect(refusal(() => resolveScope(byClaim, rules, user({ sub: 'a', tenant })))).toMatchObject(
        {
          code: 'not_permitted',
          reason: 'space_claim',
        },
      )
    },
  )

  test.each([undefined, '', 7, ['ann'], '\ud800', 'x'.repeat(256)])(
    'is not_permitted for the prefix claim %j',
    (sub) => {
      expect(refusal(() => resolveScope(space, rules, user({ sub })))).toMatchObject({
        code: 'not_permitted',
        reason: 'prefix_claim',
      })
    },
  )

  test('accepts the longest claim that gives a valid name', () => {
    expect(resolveScope(space, rules, user({ sub: 'x'.repeat(255) })).rootPath[1]).toHaveLength(255)
  })

  test('ignores inherited properties such as `constructor` as claims', () => {
    const odd = { ...rules, prefix: [{ before: '', claim: 'constructor', after: '' }] }
    expect(refusal(() => resolveScope(space, odd, user({}))).reason).toBe('prefix_claim')
    const inherited = Object.create({ tenant: 'space-9', sub: 'eve' }) as Record<string, unknown>
    expect(refusal(() => resolveScope(space, rules, user(inherited))).reason).toBe('prefix_claim')
  })
})

describe('policy: any claim (property)', () => {
  const folderOf = (claims: Record<string, unknown>, rules: UploadRules) => {
    try {
      return resolveScope(space, rules, user(claims)).rootPath.join('/')
    } catch (error) {
      if (error instanceof GatewayError && error.code === 'not_permitted') return undefined
      throw error
    }
  }
  const around = { ...rules, prefix: [{ text: 'u' }, { before: 'a', claim: 'sub', after: '.b' }] }

  test.each([
    ['alone', rules, /^users\/[a-z0-9_.=A-F-]+$/],
    ['within text', around, /^u\/a[a-z0-9_.=A-F-]+\.b$/],
  ] as const)(
    '%s adds one level below the fixed levels, or the claim is rejected',
    (_, template, shape) => {
      fc.assert(
        fc.property(fc.oneof(hostileText, hostileJson), (sub) => {
          const folder = folderOf({ sub }, template)
          if (folder === undefined) return
          expect(folder).toMatch(shape)
          expect(folder).not.toMatch(/\/\.|\.$/)
          expect(folder.length).toBeLessThanOrEqual(6 + 255)
        }),
        { numRuns: 300 },
      )
    },
  )

  test('each claim has its own folder, even when case and composition are ignored', () => {
    const others = (text: string) => [
      text.toUpperCase(),
      text.toLowerCase(),
      text.normalize('NFC'),
      text.normalize('NFKD'),
      decodeURIComponent(encodeURIComponent(text.toWellFormed())),
      text.trim(),
      text.replaceAll('=', '%'),
    ]
    fc.assert(
      fc.property(hostileText, hostileText, (text, another) => {
        const folder = folderOf({ sub: text }, rules)?.toLowerCase()
        if (folder === undefined) return
        for (const other of [...others(text), another]) {
          if (other === text) continue
          expect(folderOf({ sub: other }, rules)?.toLowerCase()).not.toBe(folder)
        }
      }),
      { numRuns: 300 },
    )
  })
})

test('policy: any path is below the folder of the user, or rejected', () => {
  fc.assert(
    fc.property(hostileText, (path) => {
      let permitted: readonly string[]
      try {
        permitted = permitUpload(rules, scope, { ...wanted, path }, {}).path
      } catch (error) {
        expect(error).toMatchObject({ code: 'invalid_request' })
        return
      }
      expect(permitted.slice(0, 2)).toEqual(scope.rootPath)
      expect(permitted.length).toBeGreaterThan(2)
      expect(relativePath(scope.rootPath, permitted)).toEqual(permitted.slice(2))
    }),
    { numRuns: 300 },
  )
})

test('policy: any metadata headers are valid in HTTP, or rejected', () => {
  const name = fc.oneof(fc.constantFrom('a', 'b', 'A', 'constructor', '__proto__'), hostileText)
  const header = fc.tuple(
    name.map((text) => `X-Smh-Meta-${text}`),
    fc.oneof(fc.constantFrom('v', ''), hostileText),
  )
  fc.assert(
    fc.property(fc.array(header, { maxLength: 23 }), (headers) => {
      let metadata: Record<string, string>
      try {
        metadata = readMetadata(rules, headers)
      } catch (error) {
        expect(error).toBeInstanceOf(GatewayError)
        expect(['invalid_request', 'metadata_too_large']).toContain((error as GatewayError).code)
        return
      }
      const entries = Object.entries(metadata)
      expect(new Headers(entries)).toBeDefined()
      expect(entries.length).toBeLessThanOrEqual(20)
      expect(entries.flat().join('').length).toBeLessThanOrEqual(2048)
      for (const [key, value] of entries) {
        expect(key).toMatch(/^x-smh-meta-[a-z0-9][a-z0-9._-]*$/)
        expect(value).toMatch(/^[\x20-\x7e]*$/)
      }
    }),
    { numRuns: 300 },
  )
})

describe('policy: upload', () => {
  test('an upload within all rules is permitted below the prefix', () => {
    const metadata = { 'x-smh-meta-origin': 'camera' }
    expect(permitUpload(rules, scope, { ...wanted, labels: ['x'] }, metadata)).toEqual({
      scope,
      path: ['users', 'ann', 'a', 'b.txt'],
      metadata,
      wanted: {
        size: 1000,
        method: 'multipart',
        conflictResolutionStrategy: 'rename',
        trafficLimit: undefined,
        labels: ['x'],
      },
    })
  })

  test('an invalid path is reported as an issue of its field', () => {
    expect(refusal(() => permitUpload(rules, scope, { ...wanted, path: 'a/../b' }, {}))).toEqual({
      code: 'invalid_request',
      reason: undefined,
      errors: [{ field: 'path', message: 'has a dot segment' }],
    })
  })

  test('a path has at most 32 levels, including the prefix', () => {
    const levels = (count: number) => ({ ...wanted, path: Array(count).fill('a').join('/') })
    expect(permitUpload(rules, scope, levels(30), {}).path).toHaveLength(32)
    expect(refusal(() => permitUpload(rules, scope, levels(31), {}))).toMatchObject({
      code: 'invalid_request',
      errors: [{ field: 'path' }],
    })
  })

  test('one byte more than UPLOAD_MAX_BYTES is rejected', () => {
    const code = refusal(() => permitUpload(rules, scope, { ...wanted, size: 1001 }, {})).code
    expect(code).toBe('file_too_large')
  })

  test.each([
    ['a.jpg', true],
    ['a.JPG', true],
    ['a.b.png', true],
    ['jpg/a.png', true],
    ['a.gif', false],
    ['jpg', false],
    ['.jpg', false],
    ['a.jpg/b', false],
    ['a.jpgx', false],
  ])('the extension of %s is allowed: %s', (path, allowed) => {
    const strict = { ...rules, allowedExtensions: new Set(['jpg', 'png']) }
    const act = () => permitUpload(strict, scope, { ...wanted, path }, {})
    if (allowed) expect(act().path.at(-1)).toBe(path.split('/').at(-1))
    else expect(refusal(act)).toMatchObject({ code: 'not_permitted', reason: 'extension' })
  })

  test('a strategy that is not allowed is rejected', () => {
    const overwrite = { ...wanted, conflictResolutionStrategy: 'overwrite' } as const
    expect(refusal(() => permitUpload(rules, scope, overwrite, {}))).toMatchObject({
      code: 'not_permitted',
      reason: 'strategy',
    })
  })

  test.each(['beginningHash', 'fullHash'])(
    '%s is rejected when UPLOAD_INSTANT is false',
    (hash) => {
      const hashed = { ...wanted, [hash]: 'f'.repeat(64) }
      expect(permitUpload(rules, scope, hashed, {}).wanted).toHaveProperty(hash, 'f'.repeat(64))
      const off = { ...rules, instant: false }
      expect(permitUpload(off, scope, wanted, {}).wanted.size).toBe(1000)
      expect(refusal(() => permitUpload(off, scope, hashed, {}))).toMatchObject({
        code: 'not_permitted',
        reason: 'instant',
      })
    },
  )

  test('the lower traffic limit applies', () => {
    const limited = { ...rules, trafficLimitBytesPerSecond: 500_000 }
    const act = (trafficLimit?: number) =>
      permitUpload(limited, scope, { ...wanted, trafficLimit }, {}).wanted.trafficLimit
    expect([act(), act(400_000), act(600_000)]).toEqual([500_000, 400_000, 500_000])
    expect(permitTrafficLimit(rules, 600_000)).toBe(600_000)
    expect(permitTrafficLimit(rules, undefined)).toBeUndefined()
  })
})

describe('policy: metadata', () => {
  test('contains every x-smh-meta header and no other', () => {
    const headers = new Headers({ 'X-Smh-Meta-Origin': 'a b', accept: '*/*', 'x-smh-met': '1' })
    expect(readMetadata(rules, headers)).toEqual({ 'x-smh-meta-origin': 'a b' })
  })

  test('a key that is not allowed is rejected', () => {
    const strict = { ...rules, metaKeys: new Set(['origin']) }
    expect(readMetadata(strict, [['x-smh-meta-origin', 'a']])).toEqual({ 'x-smh-meta-origin': 'a' })
    expect(refusal(() => readMetadata(strict, [['x-smh-meta-other', 'a']]))).toMatchObject({
      code: 'not_permitted',
      reason: 'metadata_key',
    })
  })

  test('more than 20 headers are rejected', () => {
    const headers = (count: number) =>
      Array.from({ length: count }, (_, n): [string, string] => [`x-smh-meta-${n}`, ''])
    expect(Object.keys(readMetadata(rules, headers(20)))).toHaveLength(20)
    expect(refusal(() => readMetadata(rules, headers(21))).code).toBe('metadata_too_large')
  })

  test('more than 2048 bytes of names and values are rejected', () => {
    const name = 'x-smh-meta-a'
    const header = (bytes: number): [string, string][] => [[name, 'v'.repeat(bytes - name.length)]]
    expect(readMetadata(rules, header(2048))).toHaveProperty(name)
    expect(refusal(() => readMetadata(rules, header(2049))).code).toBe('metadata_too_large')
  })

  test.each(['\u00e9', '\u0001', 'a\tb', 'a\u007f'])('the value %j is rejected', (value) => {
    const { code, errors } = refusal(() => readMetadata(rules, [['x-smh-meta-a', value]]))
    expect(code).toBe('invalid_request')
    expect(errors?.[0]?.field).toBe('x-smh-meta-a')
    expect(errors?.[0]?.message).toContain('percent-encode')
  })

  test.each(['x-smh-meta-', 'x-smh-meta-a!b', 'x-smh-meta--a', "x-smh-meta-a'b"])(
    'the name %j is rejected',
    (name) => {
      const { code, errors } = refusal(() => readMetadata(rules, [[name, 'v']]))
      expect(code).toBe('invalid_request')
      expect(errors).toEqual([
        { field: 'x-smh-meta-*', message: expect.stringContaining('other characters') },
      ])
    },
  )
})

describe('policy: path from SMH', () => {
  test.each([
    [
      ['users', 'ann', 'a', 'b'],
      ['a', 'b'],
    ],
    [['users', 'ann'], null],
    [['users', 'bob', 'b'], null],
    [['b'], null],
    [null, null],
  ])('%j is returned as %j', (path, returned) => {
    expect(relativePath(scope.rootPath, path)).toEqual(returned)
  })

  test('without a prefix the whole path is returned', () => {
    expect(relativePath([], ['a', 'b'])).toEqual(['a', 'b'])
  })
})

describe('policy: completion', () => {
  const strict: UploadRules = {
    ...rules,
    allowedExtensions: new Set(['jpg']),
    conflictStrategies: new Set(['rename']),
  }

  test('is permitted when the file meets the current rules', () => {
    expect(() => permitCompletion(strict, 'rename', ['users', 'ann', 'a.JPG'])).not.toThrow()
  })

  test('is permitted when SMH does not report the path', () => {
    expect(() => permitCompletion(strict, 'rename', null)).not.toThrow()
  })

  test.each([
    ['extension', 'rename', ['users', 'ann', 'a.exe']],
    ['extension', 'rename', ['users', 'ann.jpg', 'a']],
    ['strategy', 'overwrite', ['users', 'ann', 'a.jpg']],
    ['strategy', 'overwrite', null],
  ] as const)('is not_permitted by the rule %s for %s, %j', (reason, strategy, path) => {
    expect(refusal(() => permitCompletion(strict, strategy, path))).toMatchObject({
      code: 'not_permitted',
      reason,
    })
  })
})
