import fc from 'fast-check'
import { createCRC64 } from 'hash-wasm'
import { describe, expect, test } from 'vitest'
import { combineCrc64, crc64 } from '../../../src/client/crc64.ts'

const text = (content: string) => new TextEncoder().encode(content)
const all = (character: string, count: number) => text(character.repeat(count))

describe('crc64', () => {
  test.each([
    ['nothing', new Uint8Array(), 0n],
    ['a', text('a'), 3675645893302102789n],
    ['the check value', text('123456789'), 11051210869376104954n],
    ['hello world', text('hello world'), 5981764153023615706n],
    ['1 MiB of zeros', new Uint8Array(1_048_576), 6947770692288575170n],
    ['1 MiB of a', all('a', 1_048_576), 6701094182323390671n],
    ['1 MiB and 10 of a', all('a', 1_048_586), 4449820151942333099n],
  ])('of %s', (_what, bytes, expected) => {
    expect(crc64(bytes)).toBe(expected)
  })

  test('continues from an earlier checksum at any offset and alignment', () => {
    const cut = fc.tuple(fc.uint8Array({ maxLength: 100 }), fc.nat(100), fc.nat(9))
    fc.assert(
      fc.property(cut, ([bytes, at, offset]) => {
        const moved = new Uint8Array(bytes.length + offset).subarray(offset)
        moved.set(bytes)
        expect(crc64(moved.subarray(at), crc64(moved.subarray(0, at)))).toBe(crc64(bytes))
      }),
    )
  })

  test('equals the result of another implementation', async () => {
    const other = await createCRC64()
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 5000, size: 'max' }), (bytes) => {
        const expected = other.init().update(bytes).digest('hex')
        expect(crc64(bytes).toString(16).padStart(16, '0')).toBe(expected)
      }),
    )
  })
})

describe('combineCrc64', () => {
  test.each([
    [
      '12345 and 6789',
      [5, 6748440630437108969n],
      [4, 10278880121275185425n],
      11051210869376104954n,
    ],
    [
      '2 MiB and 10 of a',
      [1_048_576, 6701094182323390671n],
      [1_048_586, 4449820151942333099n],
      695790826536341425n,
    ],
  ] as const)('of %s', (_what, [size, crc], [nextSize, nextCrc], expected) => {
    const pieces = [
      { size, crc64: crc },
      { size: nextSize, crc64: nextCrc },
    ]
    expect(combineCrc64(pieces)).toBe(expected)
  })

  test('of no pieces equals the checksum of no bytes', () => {
    expect(combineCrc64([])).toBe(0n)
  })

  test('of any pieces equals the checksum of their concatenation', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 })), (pieces) => {
        const whole = new Uint8Array(Buffer.concat(pieces))
        const known = pieces.map((piece) => ({ size: piece.length, crc64: crc64(piece) }))
        expect(combineCrc64(known)).toBe(crc64(whole))
      }),
    )
  })
})
