import { expect, test } from 'vitest'
import { type Harness, MiB, someBytes, startHarness } from '../support/harness.ts'
import { uploadClient } from '../support/upload-client.ts'

/** The operations that the gateway has served, in order. */
async function operations(harness: Harness): Promise<(string | undefined)[]> {
  return (await harness.records()).flatMap(({ event, operation }) =>
    event === 'request' ? [operation] : [],
  )
}

test.each([
  ['one byte', 1, 'beginUpload'],
  ['one part', MiB, 'instantUpload'],
  ['forty parts', 40 * MiB, 'instantUpload'],
])('an upload of %s sends two requests to the gateway', async (_, bytes, begin) => {
  const harness = await startHarness()
  const { done } = uploadClient(harness).upload(new Blob([someBytes(bytes)]), { path: 'a.bin' })
  await done
  expect(await operations(harness)).toEqual([begin, 'completeUpload'])
})

test('an upload sends one more request to the gateway each time credentials expire', async () => {
  const harness = await startHarness()
  const { controls } = harness.emulator
  const ends = new Set(['3', '7'])
  controls.force('put-part', {
    match({ query }) {
      if (ends.delete(query.partNumber ?? '')) controls.expireCredentials()
      return false
    },
  })
  const client = uploadClient(harness, { partsInParallel: 1 })
  await client.upload(new Blob([someBytes(10 * MiB)]), { path: 'a.bin' }).done
  expect(await operations(harness)).toEqual([
    'instantUpload',
    'renewUpload',
    'renewUpload',
    'completeUpload',
  ])
})
