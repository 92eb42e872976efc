import { expect, test } from 'vitest'
import { type Bench, MiB, someBytes, startBench } from '../support/gateway.ts'
import { uploadClient } from '../support/upload-client.ts'

/** The operations that the gateway was asked for, in order. */
async function operations(bench: Bench): Promise<(string | undefined)[]> {
  return (await bench.records()).flatMap(({ event, operation }) =>
    event === 'request' ? [operation] : [],
  )
}

test.each([
  ['one byte', 1, 'beginUpload'],
  ['one part', MiB, 'instantUpload'],
  ['forty parts', 40 * MiB, 'instantUpload'],
])('an upload of %s asks the gateway twice', async (_, bytes, begin) => {
  const bench = await startBench()
  const { done } = uploadClient(bench).upload(new Blob([someBytes(bytes)]), { path: 'a.bin' })
  await done
  expect(await operations(bench)).toEqual([begin, 'completeUpload'])
})

test('and once more whenever credentials have expired', async () => {
  const bench = await startBench()
  const { controls } = bench.emulator
  const ends = new Set(['3', '7'])
  controls.force('put-part', {
    match({ query }) {
      if (ends.delete(query.partNumber ?? '')) controls.expireCredentials()
      return false
    },
  })
  const client = uploadClient(bench, { partsInParallel: 1 })
  await client.upload(new Blob([someBytes(10 * MiB)]), { path: 'a.bin' }).done
  expect(await operations(bench)).toEqual([
    'instantUpload',
    'renewUpload',
    'renewUpload',
    'completeUpload',
  ])
})
