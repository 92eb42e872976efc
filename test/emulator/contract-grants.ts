import { describe, expect, test } from 'vitest'
import { filled, type Task } from '../support/smh-client.ts'
import type { Contract } from '../support/smh-contract.ts'

const BEGIN = ['begin-multipart', 'begin-simple', 'begin-form', 'renew', 'status', 'cancel']

/** The matrix of docs/smh-protocol.md#3.7: what each grant allows, besides reading. */
const MATRIX: [grant: string, allows: string[]][] = [
  ['admin', [...BEGIN, 'confirm', 'create-directory', 'get-quota']],
  ['space_admin', [...BEGIN, 'confirm', 'create-directory']],
  ['upload_file', [...BEGIN, 'confirm']],
  ['upload_file_force', [...BEGIN, 'confirm']],
  ['begin_upload', BEGIN],
  ['begin_upload_force', BEGIN],
  ['confirm_upload', ['confirm']],
  ['create_directory', ['create-directory']],
  ['', []],
]

/** Item 9 of docs/smh-protocol.md#14.7. */
export function grantContract(contract: () => Contract) {
  describe('grants', () => {
    test.each(MATRIX)('%j allows its calls and no others', async (grant, allows) => {
      const { smh, folder, uploader } = contract()
      const { libraryId, spaceId } = smh.target
      const token = await smh.mint(grant, { user_id: 'contract-1' })
      const path = (name: string) => `${folder}/grant-${grant || 'none'}-${name}`
      const task = async (name: string): Promise<Task> => {
        const begun = await smh.beginTask(uploader, path(name))
        await smh.putPart(begun, 1, filled(1))
        return begun
      }
      const key = async (name: string) => (await task(name)).confirmKey
      const answers = {
        'begin-multipart': await smh.begin(token, path('multipart')),
        'begin-simple': await smh.file('PUT', path('simple'), { token }),
        'begin-form': await smh.file('POST', path('form'), { token }),
        renew: await smh.renew(token, await key('renewed')),
        status: await smh.status(token, await key('asked')),
        cancel: await smh.cancel(token, await key('cancelled')),
        confirm: await smh.confirm(token, await key('confirmed')),
        'create-directory': await smh.directory('PUT', path('directory'), { token }),
        // A missing quota shows that the call is allowed.
        'get-quota': await smh.call('GET', `/quota/${libraryId}/${spaceId}`, { token }),
      }
      const allowed = Object.entries(answers).filter(([, { status }]) => status !== 403)
      expect(allowed.map(([name]) => name)).toEqual(
        Object.keys(answers).filter((name) => allows.includes(name)),
      )
      for (const { status, body } of Object.values(answers)) {
        if (status === 403) expect(body.code).toBe('NoPermission')
      }
    })

    test.each(MATRIX)('%j can read and list', async (grant) => {
      const { smh, folder, uploader } = contract()
      await smh.upload(uploader, `${folder}/readable-${grant}.bin`, [filled(5)])
      const token = await smh.mint(grant, { user_id: 'contract-1' })
      const head = await smh.file('HEAD', `${folder}/readable-${grant}.bin`, { token })
      expect([head.status, head.headers.get('x-smh-size')]).toEqual([200, '5'])
      const list = await smh.directory('GET', folder, { token, query: { 'by-marker': '1' } })
      expect([list.status, list.body.path]).toEqual([200, [folder]])
    })
  })
}
