import { expect, test } from 'vitest'
import { type Credentials, MiB, someBytes, startHarness } from '../support/harness.ts'
import { expectProblem } from '../support/problems.ts'

test('renew: returns new credentials of the same upload, in exactly five fields', async () => {
  const harness = await startHarness()
  const upload = await harness.begin({ path: 'a.txt', size: 5 })
  harness.advance(60_000)
  const response = await harness.request('POST', `/v1/uploads/${upload.confirmKey}/renew`)
  expect(response.status).toBe(200)
  const renewed = (await response.json()) as Credentials
  expect(renewed).toEqual({
    ...upload,
    headers: {
      'Content-Type': 'application/octet-stream',
      Authorization: expect.stringMatching(/^q-sign-algorithm=/),
      'x-cos-security-token': expect.any(String),
    },
  })
  expect(renewed.headers).not.toEqual(upload.headers)
  expect(response.headers.get('location')).toBe(`/v1/uploads/${upload.confirmKey}`)
  const signed = Number(/q-sign-time=\d+;(\d+)/.exec(renewed.headers.Authorization ?? '')?.[1])
  expect(Date.parse(response.headers.get('upload-expires') ?? '')).toBe(signed * 1000)
})

test('renew: parts sent before the old credentials expired remain valid', async () => {
  const harness = await startHarness()
  const upload = await harness.begin({ path: 'a.txt', size: MiB + 5 })
  expect((await harness.putPart(upload, 1, someBytes(MiB))).status).toBe(200)
  harness.emulator.controls.expireCredentials()
  expect((await harness.putPart(upload, 2, someBytes(5))).status).toBe(403)
  const response = await harness.request('POST', `/v1/uploads/${upload.confirmKey}/renew`)
  const renewed = (await response.json()) as Credentials
  expect((await harness.putPart(renewed, 2, someBytes(5))).status).toBe(200)
  expect((await harness.complete(renewed)).status).toBe(200)
  expect(harness.emulator.controls.files()).toMatchObject([{ size: MiB + 5 }])
})

test('renew: works until the confirm key expires', async () => {
  const harness = await startHarness({ environment: { UPLOAD_MAX_AGE_SECONDS: '86400' } })
  const upload = await harness.begin({ path: 'a.txt', size: 5 })
  harness.advance(86_380_000)
  expect((await harness.putPart(upload, 1, someBytes(5))).status).toBe(403)
  const response = await harness.request('POST', `/v1/uploads/${upload.confirmKey}/renew`)
  const renewed = (await response.json()) as Credentials
  expect((await harness.putPart(renewed, 1, someBytes(5))).status).toBe(200)
  harness.advance(20_000)
  const late = await harness.request('POST', `/v1/uploads/${upload.confirmKey}/renew`)
  await expectProblem(late, 404, 'upload_not_found')
})

test('renew: the requested traffic limit is signed', async () => {
  const harness = await startHarness()
  const upload = await harness.begin({ path: 'a.txt', size: 5 })
  const path = `/v1/uploads/${upload.confirmKey}/renew`
  const response = await harness.request('POST', path, { body: { trafficLimit: 204_800 } })
  const { headers } = (await response.json()) as Credentials
  expect(headers['x-cos-traffic-limit']).toMatch(/^\d+$/)
  expect(harness.smhCalls('renew')[0]?.query.traffic_limit).toBe('204800')
})

test("renew: the call to SMH has the user's ID and no body", async () => {
  const harness = await startHarness()
  const upload = await harness.begin({ path: 'a.txt', size: 5 })
  await harness.request('POST', `/v1/uploads/${upload.confirmKey}/renew`)
  const [task] = harness.emulator.controls.openTasks()
  const [call] = harness.smhCalls('renew')
  expect(call).toMatchObject({ method: 'POST', bodyBytes: 0 })
  expect(call?.path).toBe(`/api/v1/file/smh0emulated/-/${task?.confirmKey}`)
  expect(call?.query).toEqual({ renew: '', user_id: 'ann', access_token: expect.any(String) })
})

test('renew: a completed upload returns upload_complete', async () => {
  const harness = await startHarness()
  const upload = await harness.uploadParts('a.txt', [someBytes(5)])
  await harness.complete(upload)
  const response = await harness.request('POST', `/v1/uploads/${upload.confirmKey}/renew`)
  await expectProblem(response, 409, 'upload_complete')
})

test('renew: an aborted upload returns 404', async () => {
  const harness = await startHarness()
  const { confirmKey } = await harness.begin({ path: 'a.txt', size: 5 })
  await harness.request('DELETE', `/v1/uploads/${confirmKey}`)
  const response = await harness.request('POST', `/v1/uploads/${confirmKey}/renew`)
  await expectProblem(response, 404, 'upload_not_found')
})

test('renew: ten requests at once all get working credentials', async () => {
  const harness = await startHarness()
  const upload = await harness.begin({ path: 'a.txt', size: 5 })
  const path = `/v1/uploads/${upload.confirmKey}/renew`
  const answers = await Promise.all(Array.from({ length: 10 }, () => harness.request('POST', path)))
  for (const answer of answers) {
    const renewed = (await answer.json()) as Credentials
    expect((await harness.putPart(renewed, 1, someBytes(5))).status).toBe(200)
  }
})
