import { describe, expect, test } from 'vitest'
import { encodePath, filled } from '../support/smh-client.ts'
import type { Contract } from '../support/smh-contract.ts'

/** Item 11 of docs/smh-protocol.md#14.7. */
export function nameContract(contract: () => Contract) {
  describe('names', () => {
    test.each(['two words', '100%', '%41', 'a#b', 'a+b', '报告', '🎬 take', "it's (1)!", 'ö'])(
      '%s arrives as it is, in both slash encodings',
      async (name) => {
        const { smh, folder, uploader } = contract()
        const { libraryId, spaceId } = smh.target
        const path = `${folder}/${name}/${name}.bin`
        await smh.directory('PUT', `${folder}/${name}`, { token: uploader })
        const task = await smh.beginTask(uploader, path)
        await smh.putPart(task, 1, filled(1))
        const confirmed = await smh.confirm(uploader, task.confirmKey)
        expect(confirmed.body.path).toEqual([folder, name, `${name}.bin`])
        for (const encoded of [encodePath(path), encodeURIComponent(path)]) {
          const info = await smh.call('GET', `/directory/${libraryId}/${spaceId}/${encoded}`, {
            token: uploader,
            query: { info: '' },
          })
          expect(info.body).toMatchObject({ path: [folder, name, `${name}.bin`], size: '1' })
        }
      },
    )

    test.each(['?', ':', '*', '"', '<', '>', '|', '\\'])(
      '%s is rejected in a name',
      async (character) => {
        const { smh, folder, uploader } = contract()
        const refusals = [
          await smh.begin(uploader, `${folder}/a${character}b.bin`),
          await smh.directory('PUT', `${folder}/a${character}b`, { token: uploader }),
        ]
        for (const { status, body } of refusals) {
          expect([status, body.code]).toEqual([400, 'IllegalFileName'])
        }
      },
    )

    test('one level may have 255 characters, but not 256', async () => {
      const { smh, folder, uploader } = contract()
      expect((await smh.begin(uploader, `${folder}/${'字'.repeat(255)}`)).status).toBe(201)
      const longFile = await smh.begin(uploader, `${folder}/${'n'.repeat(256)}`)
      expect([longFile.status, longFile.body.code]).toEqual([400, 'FileNameLengthExceed'])
      const path = `${folder}/${'n'.repeat(256)}`
      const longDirectory = await smh.directory('PUT', path, { token: uploader })
      expect(longDirectory.status).toBe(400)
      expect(longDirectory.body.code).toBe('DirectoryNameLengthExceed')
    })

    test('names are case-sensitive', async () => {
      const { smh, folder, uploader } = contract()
      const lower = await smh.upload(uploader, `${folder}/case.txt`, [filled(1)])
      const upper = await smh.upload(uploader, `${folder}/CASE.txt`, [filled(2)])
      expect([lower.body.name, upper.body.name]).toEqual(['case.txt', 'CASE.txt'])
      await smh.directory('PUT', `${folder}/Mixed`, { token: uploader })
      const other = await smh.directory('PUT', `${folder}/mixed`, { token: uploader })
      expect(other.status).toBe(201)
    })
  })
}
