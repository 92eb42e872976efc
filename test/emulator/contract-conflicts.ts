import { describe, expect, test } from 'vitest'
import { filled } from '../support/smh-client.ts'
import type { Contract } from '../support/smh-contract.ts'

/** Items 2 and 3 of docs/smh-protocol.md#14.7. */
export function conflictContract(contract: () => Contract) {
  describe('name conflicts', () => {
    test('rename (default): the number goes before the extension', async () => {
      const { smh, folder, uploader } = contract()
      const names = []
      for (const _ of [1, 2, 3]) {
        const { body } = await smh.upload(uploader, `${folder}/twice.tar.gz`, [filled(3)])
        names.push(body.name)
      }
      expect(names).toEqual(['twice.tar.gz', 'twice.tar (1).gz', 'twice.tar (2).gz'])
    })

    test('rename: a name like .profile gets its number at the end, and status has the final name', async () => {
      const { smh, folder, uploader } = contract()
      await smh.upload(uploader, `${folder}/.profile`, [filled(3)])
      const task = await smh.beginTask(uploader, `${folder}/.profile`)
      await smh.putPart(task, 1, filled(3))
      const path = [folder, '.profile (1)']
      expect((await smh.confirm(uploader, task.confirmKey)).body.path).toEqual(path)
      expect((await smh.status(uploader, task.confirmKey)).body.path).toEqual(path)
    })

    test('ask: begin rejects an existing name, and so does confirm', async () => {
      const { smh, folder, uploader } = contract()
      const query = { conflict_resolution_strategy: 'ask' }
      const task = await smh.beginTask(uploader, `${folder}/asked.bin`, { query })
      await smh.putPart(task, 1, filled(3))
      await smh.upload(uploader, `${folder}/asked.bin`, [filled(4)])
      for (const refused of [
        await smh.confirm(uploader, task.confirmKey),
        await smh.begin(uploader, `${folder}/asked.bin`, { query }),
      ]) {
        expect([refused.status, refused.body.code]).toEqual([409, 'SameNameDirectoryOrFileExists'])
      }
    })

    test('overwrite: needs its own grant and keeps the creation time', async () => {
      const { smh, folder, uploader } = contract()
      const query = { conflict_resolution_strategy: 'overwrite' }
      const first = await smh.upload(uploader, `${folder}/over.bin`, [filled(3)])
      const second = await smh.upload(uploader, `${folder}/over.bin`, [filled(7)], { query })
      expect(second.body).toMatchObject({
        name: 'over.bin',
        size: '7',
        isOverwritten: true,
        creationTime: first.body.creationTime,
      })
      const modest = await smh.mint('upload_file', { user_id: 'contract-1' })
      const refused = await smh.begin(modest, `${folder}/over.bin`, { query })
      expect([refused.status, refused.body.code]).toEqual([403, 'NoPermission'])
    })

    test('overwrite: a directory is never replaced', async () => {
      const { smh, folder, uploader } = contract()
      await smh.directory('PUT', `${folder}/is-a-directory`, { token: uploader })
      const refused = await smh.begin(uploader, `${folder}/is-a-directory`, {
        query: { conflict_resolution_strategy: 'overwrite' },
      })
      expect([refused.status, refused.body.code]).toEqual([409, 'SameNameDirectoryOrFileExists'])
    })
  })

  describe('directories', () => {
    test('begin creates no parents; create-directory creates all of them once', async () => {
      const { smh, folder, uploader } = contract()
      const deep = `${folder}/one/two/three`
      const early = await smh.begin(uploader, `${deep}/a.bin`)
      expect([early.status, early.body.code]).toEqual([404, 'DirectoryNotFound'])
      expect((await smh.directory('HEAD', deep, { token: uploader })).status).toBe(404)
      expect((await smh.directory('PUT', deep, { token: uploader })).status).toBe(201)
      const again = await smh.directory('PUT', deep, { token: uploader })
      expect([again.status, again.body.code]).toEqual([409, 'SameNameDirectoryOrFileExists'])
      expect((await smh.directory('HEAD', deep, { token: uploader })).status).toBe(200)
      expect((await smh.begin(uploader, `${deep}/a.bin`)).status).toBe(201)
    })

    test('of two concurrent creates, one succeeds', async () => {
      const { smh, folder, uploader } = contract()
      const create = () => smh.directory('PUT', `${folder}/both/at/once`, { token: uploader })
      const answers = await Promise.all([create(), create()])
      expect(answers.map(({ status }) => status).sort()).toEqual([201, 409])
    })

    test('a file among the ancestors is a conflict', async () => {
      const { smh, folder, uploader } = contract()
      await smh.upload(uploader, `${folder}/plain.txt`, [filled(1)])
      const refused = await smh.directory('PUT', `${folder}/plain.txt/below`, { token: uploader })
      expect(refused.status).toBe(409)
    })

    test('rename creates a numbered directory and returns its name', async () => {
      const { smh, folder, uploader } = contract()
      const options = { token: uploader, query: { conflict_resolution_strategy: 'rename' } }
      await smh.directory('PUT', `${folder}/v1.2`, options)
      const second = await smh.directory('PUT', `${folder}/v1.2`, options)
      expect(second.body).toMatchObject({ path: [folder, 'v1.2 (1)'] })
    })
  })
}
