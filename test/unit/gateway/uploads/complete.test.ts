import { expect, test } from 'vitest'
import type { UploadRules } from '../../../../src/gateway/config/parse.ts'
import type { SmhClient } from '../../../../src/gateway/smh/client.ts'
import { SmhError } from '../../../../src/gateway/smh/smh-error.ts'
import type { OwnedUpload } from '../../../../src/gateway/smh/upload.ts'
import { completeInSmh } from '../../../../src/gateway/uploads/complete.ts'

test('complete: a confirm that times out is not repeated, because SMH may still process it', async () => {
  const calls: string[] = []
  const part = { partNumber: 1, size: 5, eTag: '"x"', lastModified: '2026-03-09T11:23:01.000Z' }
  const smh = {
    async status() {
      calls.push('status')
      return { confirmed: false, path: ['a.txt'], parts: [part] }
    },
    async confirm() {
      calls.push('confirm')
      throw new SmhError({ kind: 'timeout', cause: 'smh' })
    },
  } as unknown as SmhClient
  const upload = { size: 5, strategy: 'rename' } as OwnedUpload
  const rules = { maxBytes: 5, conflictStrategies: new Set(['rename']) } as unknown as UploadRules
  const completion = completeInSmh(smh, upload, rules, {}, { deadline: Number.POSITIVE_INFINITY })
  await expect(completion).rejects.toMatchObject({ failure: { kind: 'timeout' } })
  expect(calls).toEqual(['status', 'confirm', 'status'])
})
