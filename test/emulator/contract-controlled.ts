import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { EmulatorControls } from '../../src/emulator/controls.ts'
import { createSmhClient, filled, MIB, type SmhClient } from '../support/smh-client.ts'
import { emulatorTarget, type SmhTarget } from '../support/smh-target.ts'

/** Items 4, 6, 8 and 12 of docs/smh-protocol.md#14.7, which need the emulator's controls. */
export function controlledContract() {
  describe('with controls', () => {
    let target: SmhTarget
    let controls: EmulatorControls
    let smh: SmhClient
    let uploader: string

    beforeAll(async () => {
      const started = await emulatorTarget()
      target = started
      controls = started.emulator.controls
      smh = createSmhClient(target)
    })

    beforeEach(async () => {
      await controls.reset()
      uploader = await smh.mint('upload_file', { user_id: 'u-1', period: '36000' })
    })

    afterAll(() => target.close())

    test('expired credentials get 403 in XML, and renewed ones continue the upload', async () => {
      const task = await smh.beginTask(uploader, 'expired.bin')
      await smh.putPart(task, 1, filled(MIB))
      controls.advanceClock(7200 * 1000)
      const expired = await smh.putPart(task, 2, filled(10))
      expect(expired.status).toBe(403)
      expect(expired.headers.get('content-type')).toBe('application/xml')
      expect(expired.text).toContain('<Code>AccessDenied</Code>')
      expect(expired.text).toContain('<Message>Request has expired</Message>')
      const renewed = await smh.renew(uploader, task.confirmKey)
      expect(renewed.body).toMatchObject({ uploadId: task.uploadId, confirmKey: task.confirmKey })
      const fresh = renewed.body as unknown as typeof task
      expect((await smh.putPart(fresh, 2, filled(10))).status).toBe(200)
      const confirmed = await smh.confirm(uploader, task.confirmKey)
      expect(confirmed.body.size).toBe(String(MIB + 10))
    })

    test('credentials of one task can expire, and status returns new ones', async () => {
      const ended = await smh.beginTask(uploader, 'ended.bin')
      const other = await smh.beginTask(uploader, 'other.bin')
      controls.expireCredentials(ended.confirmKey)
      expect((await smh.putPart(ended, 1, filled(1))).status).toBe(403)
      expect((await smh.putPart(other, 1, filled(1))).status).toBe(200)
      const { body } = await smh.status(uploader, ended.confirmKey)
      const fresh = body.uploadPartInfo as typeof ended
      expect((await smh.putPart(fresh, 1, filled(1))).status).toBe(200)
    })

    test('a confirm takes effect although its response is lost', async () => {
      const task = await smh.beginTask(uploader, 'lost.bin')
      await smh.putPart(task, 1, filled(3))
      controls.loseConfirmResponse()
      await expect(smh.confirm(uploader, task.confirmKey)).rejects.toThrow()
      const status = await smh.status(uploader, task.confirmKey)
      expect(status.body).toMatchObject({ confirmed: true, path: ['lost.bin'] })
      expect(controls.files()).toMatchObject([{ path: ['lost.bin'], size: 3 }])
    })

    test('an idle token expires after its period; a used one stays valid', async () => {
      const period = 600
      const busy = await smh.mint('', { period: String(period) })
      const idle = await smh.mint('', { period: String(period) })
      const use = (token: string) => smh.directory('GET', '', { token, query: { info: '' } })
      for (const _ of [1, 2, 3]) {
        controls.advanceClock((period / 2) * 1000)
        expect((await use(busy)).status).toBe(200)
      }
      const dead = await use(idle)
      expect([dead.status, dead.body.code]).toEqual([403, 'InvalidAccessToken'])
      controls.advanceClock(period * 1000)
      expect((await use(busy)).status).toBe(403)
    })

    test('a call without the grant moves the expiry too', async () => {
      const token = await smh.mint('', { period: '600' })
      controls.advanceClock(500_000)
      expect((await smh.begin(token, 'no.bin')).body.code).toBe('NoPermission')
      controls.advanceClock(500_000)
      expect((await smh.directory('HEAD', '', { token })).status).toBe(200)
    })

    test('a declared size above the free space is rejected', async () => {
      controls.setQuota('-', 10)
      const begin = (filesize: string) => smh.begin(uploader, 'big.bin', { query: { filesize } })
      const refused = await begin('11')
      expect([refused.status, refused.body.code]).toEqual([400, 'QuotaLimitReached'])
      expect((await begin('10')).status).toBe(201)
      await smh.upload(uploader, 'small.bin', [filled(4)])
      expect((await begin('7')).status).toBe(400)
      expect((await begin('6')).status).toBe(201)
      const task = await smh.beginTask(uploader, 'liar.bin', { query: { filesize: '1' } })
      await smh.putPart(task, 1, filled(7))
      const confirmed = await smh.confirm(uploader, task.confirmKey)
      expect(confirmed.body.code).toBe('QuotaLimitReached')
    })
  })
}
