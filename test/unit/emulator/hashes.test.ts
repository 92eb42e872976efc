import { expect, test } from 'vitest'
import { chainedHashes, combineCrc64, createDigester } from '../../../src/emulator/hashes.ts'
import { crc64Of, filled, MIB } from '../../support/smh-client.ts'

async function digestOf(text: string) {
  const digester = await createDigester()
  digester.update(Buffer.from(text))
  return digester.digest()
}

test.each([
  ['', '0'],
  ['a', '3675645893302102789'],
  ['123456789', '11051210869376104954'],
  ['hello world', '5981764153023615706'],
])('CRC64 of %j has the value of docs/smh-protocol.md#10.2', async (text, crc64) => {
  expect(await digestOf(text)).toMatchObject({ size: text.length, crc64 })
})

test('two concurrent digests are independent', async () => {
  const [one, two] = [await createDigester(), await createDigester()]
  one.update(Buffer.from('1234'))
  two.update(Buffer.from('hello '))
  one.update(Buffer.from('56789'))
  two.update(Buffer.from('world'))
  expect(one.digest().crc64).toBe('11051210869376104954')
  expect(two.digest().crc64).toBe('5981764153023615706')
})

test('combineCrc64: the CRC64s of parts give the CRC64 of the whole', async () => {
  expect(combineCrc64([])).toBe('0')
  expect(combineCrc64([await digestOf('12345'), await digestOf('6789')])).toBe(
    '11051210869376104954',
  )
  const pieces = [filled(70_001, 'x'), filled(0), filled(1, 'y'), filled(70_001, 'z')]
  const known = await Promise.all(
    pieces.map(async (piece) => ({ size: piece.byteLength, crc64: await crc64Of(piece) })),
  )
  expect(combineCrc64(known)).toBe(await crc64Of(...pieces))
})

/** Bytes in chunks that cross the borders of segments. */
async function* chunksOf(bytes: Uint8Array, size: number) {
  for (let at = 0; at < bytes.byteLength; at += size) yield bytes.subarray(at, at + size)
}

test('the chained hash has the value of docs/smh-protocol.md#10.1', async () => {
  const beginningHash = '30e14955ebf1352266dc2ff8067e68104607e750abb9d3b36582b8af909fcb58'
  expect(await chainedHashes(chunksOf(new Uint8Array(MIB), 65_536))).toEqual({
    beginningHash,
    fullHash: beginningHash,
  })
  expect(await chainedHashes(chunksOf(filled(2_097_162, 'a'), 100_000))).toEqual({
    beginningHash: '9bc1b2a288b26af7257a36277ae3816a7d4f16e89c1e7e77d0a5c48bad62b360',
    fullHash: 'b2570d481fcf044769490e0d1af438817093cda8c31d6c838767bfa2db63bb93',
  })
})
