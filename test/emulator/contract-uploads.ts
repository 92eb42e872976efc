import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { crc64Of, filled, MIB, type Task } from '../support/smh-client.ts'
import type { Contract } from '../support/smh-contract.ts'

const sha256 = (...parts: Uint8Array[]) =>
  parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest()

/** Items 1, 5, 7 and 10 of docs/smh-protocol.md#14.7. */
export function uploadContract(contract: () => Contract) {
  describe('multipart upload', () => {
    test('parts in any order become one file with the combined CRC64', async () => {
      const { smh, folder, uploader } = contract()
      const parts = [filled(MIB, 'a'), filled(MIB + 3, 'b'), filled(10, 'c')] as const
      const task = await smh.beginTask(uploader, `${folder}/order.bin`, {
        headers: { 'x-smh-meta-origin': 'contract' },
      })
      const sent = [await smh.putPart(task, 3, parts[2])]
      sent.push(await smh.putPart(task, 1, parts[0]), await smh.putPart(task, 2, parts[1]))
      expect(sent.map(({ status }) => status)).toEqual([200, 200, 200])
      expect(sent[1]?.headers.get('etag')).toBe('"7202826a7791073fe2787f0c94603278"')
      expect(sent[1]?.headers.get('x-cos-hash-crc64ecma')).toBe('6701094182323390671')

      const before = await smh.status(uploader, task.confirmKey)
      expect(before.body).toMatchObject({
        confirmed: false,
        path: [folder, 'order.bin'],
        uploadId: task.uploadId,
        parts: [
          { PartNumber: 1, Size: MIB, ETag: '"7202826a7791073fe2787f0c94603278"' },
          { PartNumber: 2, Size: MIB + 3 },
          { PartNumber: 3, Size: 10 },
        ],
      })

      const crc64 = await crc64Of(...parts)
      const confirmed = await smh.confirm(uploader, task.confirmKey, { body: { crc64 } })
      expect(confirmed.status).toBe(200)
      expect(confirmed.body).toMatchObject({
        path: [folder, 'order.bin'],
        name: 'order.bin',
        size: String(2 * MIB + 13),
        crc64,
        metaData: { 'x-smh-meta-origin': 'contract' },
        isOverwritten: false,
      })
      const after = await smh.status(uploader, task.confirmKey)
      expect(after.body).toMatchObject({ confirmed: true, path: [folder, 'order.bin'] })
      expect(after.body).not.toHaveProperty('parts')
      const info = await smh.file('GET', `${folder}/order.bin`, {
        token: uploader,
        query: { info: '' },
      })
      const bytes = await (await fetch(String(info.body.cosUrl))).bytes()
      expect(Buffer.compare(bytes, Buffer.concat(parts))).toBe(0)
    })

    test('confirm rejects a gap, a small middle part and a wrong CRC64, then succeeds once', async () => {
      const { smh, folder, uploader } = contract()
      const { confirmKey, ...rest } = await smh.beginTask(uploader, `${folder}/mended.bin`)
      const task: Task = { confirmKey, ...rest }
      const confirm = (body: object = {}) => smh.confirm(uploader, confirmKey, { body })
      const refusal = async (body?: object) => {
        const { status, body: error } = await confirm(body)
        return [status, error.code]
      }
      expect(await refusal()).toEqual([400, 'MultipartUploadIncomplete'])
      await smh.putPart(task, 1, filled(10, 'x'))
      await smh.putPart(task, 3, filled(10, 'z'))
      expect(await refusal()).toEqual([400, 'MultipartUploadIncomplete'])
      await smh.putPart(task, 2, filled(MIB, 'y'))
      expect(await refusal()).toEqual([400, 'MultipartUploadPartTooSmall'])
      await smh.putPart(task, 1, filled(MIB, 'x'))
      expect(await refusal({ crc64: '1' })).toEqual([400, 'BadCrc64'])

      const stranger = await smh.mint('upload_file', { user_id: 'contract-2' })
      const foreign = await smh.confirm(stranger, confirmKey)
      expect([foreign.status, foreign.body.code]).toEqual([403, 'UploadNotBelongYou'])

      const crc64 = await crc64Of(filled(MIB, 'x'), filled(MIB, 'y'), filled(10, 'z'))
      expect((await confirm({ crc64 })).body).toMatchObject({ size: String(2 * MIB + 10), crc64 })
      expect(await refusal({ crc64 })).toEqual([409, 'UploadComplete'])
      const cancelled = await smh.cancel(uploader, confirmKey)
      expect([cancelled.status, cancelled.body.code]).toEqual([409, 'UploadComplete'])
    })

    test('of two concurrent confirms, one succeeds', async () => {
      const { smh, folder, uploader } = contract()
      const task = await smh.beginTask(uploader, `${folder}/race.bin`)
      await smh.putPart(task, 1, filled(10))
      const answers = await Promise.all([1, 2].map(() => smh.confirm(uploader, task.confirmKey)))
      const codes = answers.map(({ status, body }) => body.code ?? status)
      expect(codes.sort()).toEqual([200, 'UploadComplete'])
    })

    test('a cancelled upload is unknown to SMH and COS', async () => {
      const { smh, folder, uploader } = contract()
      const task = await smh.beginTask(uploader, `${folder}/cancelled.bin`)
      await smh.putPart(task, 1, filled(10))
      expect((await smh.cancel(uploader, task.confirmKey)).status).toBe(204)
      const part = await smh.putPart(task, 2, filled(10))
      expect([part.status, part.text]).toEqual([404, expect.stringContaining('NoSuchUpload')])
      for (const again of [smh.status, smh.cancel, smh.renew, smh.confirm]) {
        const { status, body } = await again(uploader, task.confirmKey)
        expect([status, body.code]).toEqual([404, 'UploadNotFound'])
      }
    })
  })

  describe('instant upload', () => {
    test('a known beginning hash and a known full hash create the file without an upload', async () => {
      const { smh, folder, uploader } = contract()
      // The folder's name makes the bytes unique in the library.
      const [first, second] = [filled(MIB, folder), filled(5, 'tail')] as const
      const beginningHash = sha256(first).toString('hex')
      const fullHash = sha256(sha256(first), second).toString('hex')
      const size = String(MIB + 5)
      const begin = (name: string, body: object) =>
        smh.begin(uploader, `${folder}/${name}`, { body })
      expect((await begin('instant.bin', { beginningHash, size })).status).toBe(201)
      const stored = await smh.upload(uploader, `${folder}/instant.bin`, [first, second])

      const asked = await begin('instant.bin', { beginningHash, size })
      expect([asked.status, asked.text]).toEqual([202, ''])
      const done = await begin('instant.bin', { beginningHash, fullHash, size })
      expect(done.status).toBe(200)
      expect(done.body).toMatchObject({
        path: [folder, 'instant (1).bin'],
        size,
        crc64: stored.body.crc64,
      })
      expect(done.body).not.toHaveProperty('confirmKey')

      const missed = await begin('instant.bin', { beginningHash, fullHash: beginningHash, size })
      expect(missed.status).toBe(201)
      expect(missed.body).toHaveProperty('confirmKey')
    })
  })
}
