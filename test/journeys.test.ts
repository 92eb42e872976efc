import { createCRC64 } from 'hash-wasm'
import { expect, test } from 'vitest'
import { MiB, someBytes, startBench } from './support/gateway.ts'

test('a file goes up in parts and is stored whole', async () => {
  const bench = await startBench()
  const parts = [someBytes(MiB, 1), someBytes(MiB, 2), someBytes(10, 3)]
  const upload = await bench.uploadParts('holiday/clip.mp4', parts)
  const crc = await createCRC64()
  for (const part of parts) crc.update(part)
  const crc64 = BigInt(`0x${crc.digest('hex')}`).toString()
  const response = await bench.request('POST', `/v1/uploads/${upload.confirmKey}/complete`, {
    body: { crc64 },
  })
  expect(response.status).toBe(200)
  expect(await response.json()).toMatchObject({ path: ['holiday', 'clip.mp4'], crc64 })
})
