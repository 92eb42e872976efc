import { describe, expect, test } from 'vitest'
import { filled } from '../support/smh-client.ts'
import type { Contract } from '../support/smh-contract.ts'

/** Item 8 of docs/smh-protocol.md#14.7, without the clock, and the user of a call (docs/smh-protocol.md#3.9). */
export function tokenContract(contract: () => Contract) {
  describe('tokens', () => {
    test('a deleted token is invalid; a renewed one keeps its value', async () => {
      const { smh, folder } = contract()
      const { libraryId } = smh.target
      const token = await smh.mint('', { period: '1200' })
      const renewed = await smh.call('POST', `/token/${libraryId}/${token}`)
      expect(renewed.body).toMatchObject({ accessToken: token, expiresIn: 1200 })
      expect((await smh.directory('HEAD', folder, { token })).status).toBe(200)
      expect((await smh.call('DELETE', `/token/${libraryId}/${token}`)).status).toBe(204)
      const dead = await smh.directory('GET', folder, { token, query: { info: '' } })
      expect([dead.status, dead.body.code]).toEqual([403, 'InvalidAccessToken'])
      const late = await smh.call('POST', `/token/${libraryId}/${token}`)
      expect([late.status, late.body.code]).toEqual([403, 'InvalidAccessToken'])
    })

    test('the tokens of a user can be deleted, or only those of one client', async () => {
      const { smh, folder } = contract()
      const { libraryId, librarySecret } = smh.target
      const user = { user_id: `${folder}-leaver` }
      const phone = await smh.mint('', { ...user, client_id: 'phone' })
      const desk = await smh.mint('', { ...user, client_id: 'desk', session_id: 's-1' })
      const other = await smh.mint('', { user_id: `${folder}-stayer`, client_id: 'phone' })
      const remove = (query: Record<string, string>) =>
        smh.call('DELETE', `/token/${libraryId}`, {
          query: { library_secret: librarySecret, ...query },
        })
      const alive = async () => {
        const answers = [phone, desk, other].map((token) =>
          smh.directory('HEAD', folder, { token }),
        )
        return (await Promise.all(answers)).map(({ status }) => status)
      }
      expect((await remove({ ...user, client_id: 'phone' })).status).toBe(204)
      expect(await alive()).toEqual([403, 200, 200])
      expect((await remove({ ...user, session_id: 's-2' })).status).toBe(204)
      expect(await alive()).toEqual([403, 200, 200])
      const eleven = Array.from({ length: 11 }, (_, n) => `${folder}-${n}`).join(',')
      expect((await remove({ user_id: eleven })).status).toBe(400)
      expect((await remove({})).status).toBe(400)
      expect((await remove(user)).status).toBe(204)
      expect(await alive()).toEqual([403, 403, 200])
    })

    test.each([
      ['', 86400],
      ['-5', 86400],
      ['never', 86400],
      ['1', 300],
      ['3600', 3600],
      ['999999999', 315_360_000],
    ])('period %j: the token stays valid for %d seconds', async (period, seconds) => {
      const { smh } = contract()
      const { libraryId, librarySecret, spaceId } = smh.target
      const { body } = await smh.call('POST', '/token', {
        query: {
          library_id: libraryId,
          library_secret: librarySecret,
          space_id: spaceId,
          ...(period !== '' && { period }),
        },
      })
      expect(body.expiresIn).toBe(seconds)
    })

    test.each([
      [{}, 400, 'EmptyLibraryIdOrSecret'],
      [{ library_secret: 'x' }, 400, 'EmptyLibraryId'],
      [{ library_id: 'x' }, 400, 'EmptyLibrarySecret'],
      [{ library_id: 'x', library_secret: 'x' }, 404, 'WrongLibraryIdOrSecret'],
    ])('minting with %j is rejected', async (query, status, code) => {
      const answer = await contract().smh.call('GET', '/token', { query })
      expect([answer.status, answer.body.code]).toEqual([status, code])
    })

    test('only an admin token without a user acts for the user of the call', async () => {
      const { smh, folder, uploader } = contract()
      const query = { user_id: 'contract-9' }
      const admin = await smh.mint('admin')
      const theirs = await smh.beginTask(admin, `${folder}/theirs.bin`, { query })
      expect((await smh.status(admin, theirs.confirmKey, { query })).status).toBe(200)
      const stranger = await smh.status(uploader, theirs.confirmKey, { query })
      expect([stranger.status, stranger.body.code]).toEqual([403, 'UploadNotBelongYou'])
      const mine = await smh.beginTask(uploader, `${folder}/mine.bin`, { query })
      expect((await smh.status(uploader, mine.confirmKey)).status).toBe(200)
      await smh.putPart(theirs, 1, filled(1))
      expect((await smh.confirm(admin, theirs.confirmKey, { query })).status).toBe(200)
      const info = await smh.directory('GET', `${folder}/theirs.bin`, {
        token: uploader,
        query: { info: '' },
      })
      expect(info.body.userId).toBe('contract-9')
    })
  })

  describe('errors', () => {
    test('a missing token is 400, an unknown library is 404', async () => {
      const { smh, folder, uploader } = contract()
      const bare = await smh.directory('GET', folder)
      expect([bare.status, bare.body.code]).toEqual([400, 'EmptyAccessToken'])
      const lost = await smh.call('GET', `/directory/smh0nowhere/-/${folder}`, { token: uploader })
      expect([lost.status, lost.body.code]).toEqual([404, 'LibraryNotFound'])
      expect(lost.body.requestId).toBe(lost.headers.get('x-request-id'))
      expect(lost.body.requestId).toMatch(/^[0-9a-f]{16,}$/)
    })
  })
}
