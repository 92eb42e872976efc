import type { Fault } from '../../src/emulator/faults.ts'
import type { RouteName } from '../../src/emulator/route-names.ts'
import {
  bob,
  type Credentials,
  type Harness,
  MiB,
  type RequestOptions,
  someBytes,
} from './harness.ts'
import type { LaunchedGateway } from './launch.ts'

/** Text that SMH says in fields and messages which must go no further. */
export const SAID_BY_SMH = 'canary-said-by-smh'

/** A file name that no log line may hold. */
export const FILE_NAME = 'canary-file-name'

const said = (status: number, code: string): Fault => ({
  status,
  body: JSON.stringify({
    code,
    message: `${SAID_BY_SMH} at https://smh.internal/?access_token=${SAID_BY_SMH}`,
    requestId: 'smh0request0id',
    stack: SAID_BY_SMH,
    inner: { reason: SAID_BY_SMH },
  }),
})

const faults: Fault[] = [
  said(400, 'ParamInvalid'),
  said(403, 'NoPermission'),
  said(404, 'SpaceNotFound'),
  said(409, 'ContentCasConflict'),
  said(418, 'NeverHeardOf'),
  said(400, `${SAID_BY_SMH}<script>`),
  said(451, 'SensitiveContentRecognized'),
  { ...said(429, 'RateLimitExceeded'), times: 6, headers: { 'retry-after': '60' } },
  { ...said(500, 'InternalServerError'), times: 6 },
  { status: 200, contentType: 'text/html', body: `<h1>${SAID_BY_SMH}</h1>` },
  { status: 502, contentType: 'text/html', body: `<h1>${SAID_BY_SMH}</h1>` },
  { status: 200, body: `{"domain":"${SAID_BY_SMH}` },
  { status: 200, body: JSON.stringify({ confirmKey: 5, confirmed: SAID_BY_SMH, path: 7 }) },
  { status: 302, body: SAID_BY_SMH, headers: { location: `https://${SAID_BY_SMH}.example/` } },
  { drop: 'before' },
  { drop: 'after' },
]

/**
 * Calls every operation, with success and with failure, and passes each response to `see`. Every extra field
 * and every error of SMH contains {@link SAID_BY_SMH}.
 */
export async function takeTour(
  harness: Harness,
  on: LaunchedGateway,
  see: (response: Response) => Promise<void>,
): Promise<void> {
  const { controls } = harness.emulator
  controls.addExtraReplyFields({ inode: SAID_BY_SMH, cosUrl: SAID_BY_SMH, userId: SAID_BY_SMH })

  async function ask(method: string, path: string, options: RequestOptions = {}) {
    const response = await harness.request(method, path, { on, ...options })
    await see(response.clone() as Response)
    return response
  }
  const beginAt = (path: string, more: object = {}, options: RequestOptions = {}) =>
    ask('POST', '/v1/uploads', { ...options, body: { path, size: 5, ...more } })
  async function begin(path: string, more: object = {}): Promise<Credentials> {
    return (await beginAt(path, more)).json() as Promise<Credentials>
  }
  const at = ({ confirmKey }: Credentials, rest = '') => `/v1/uploads/${confirmKey}${rest}`

  async function goodLife(): Promise<Credentials> {
    const bytes = someBytes(MiB)
    const upload = await begin(`a/${FILE_NAME}.bin`, { size: MiB })
    await harness.putPart(upload, 1, bytes)
    await ask('GET', at(upload))
    await ask('POST', at(upload, '/renew'))
    const body = { crc64: '1' }
    await ask('POST', at(upload, '/complete'), { body })
    await ask('POST', at(upload, '/complete'))
    for (const [method, rest] of [
      ['POST', '/complete'],
      ['POST', '/renew'],
      ['GET', ''],
      ['DELETE', ''],
    ] as const) {
      await ask(method, at(upload, rest))
    }
    const hash = Buffer.from(await crypto.subtle.digest('SHA-256', bytes)).toString('hex')
    for (const hashes of [{}, { fullHash: hash }, { fullHash: '0'.repeat(64) }]) {
      const wanted = { path: FILE_NAME, size: MiB, beginningHash: hash, ...hashes }
      await ask('POST', '/v1/instant-uploads', { body: wanted })
    }
    return upload
  }

  async function refusals(upload: Credentials): Promise<void> {
    const forged = await harness.issuer.forgedToken({ sub: 'ann' })
    await ask('GET', at(upload), { as: null })
    await ask('GET', at(upload), { headers: { authorization: `Bearer ${forged}` } })
    await ask('GET', at(upload), { as: bob })
    await ask('GET', at(upload).slice(0, -1))
    await ask('PUT', at(upload))
    await ask('GET', `/nothing/${FILE_NAME}`)
    await ask('POST', '/v1/uploads', { body: `{"path":"${FILE_NAME}` })
    await ask('POST', '/v1/uploads', { body: 'x', headers: { 'content-type': 'text/plain' } })
    await ask('POST', '/v1/uploads', { body: ' '.repeat(64 * 1024 + 1) })
    await beginAt(`../${FILE_NAME}`)
    await beginAt(FILE_NAME, { conflictResolutionStrategy: 'overwrite' })
    await beginAt(FILE_NAME, { size: 2 ** 50 })
    await beginAt(FILE_NAME, {}, { headers: { 'x-smh-meta-k': 'v'.repeat(2048) } })
    await beginAt(`a/${FILE_NAME}.bin/b`)
    controls.setQuota('-', MiB)
    await beginAt(FILE_NAME, { size: MiB })
    controls.setQuota('-', null)
    const gaps = await begin(FILE_NAME)
    await ask('POST', at(gaps, '/complete'))
    await ask('DELETE', at(gaps))
    await ask('DELETE', at(gaps))
  }

  async function faultsOf(route: RouteName, call: (upload: Credentials) => Promise<unknown>) {
    for (const fault of faults) {
      const upload = await begin(FILE_NAME)
      await harness.putPart(upload, 1, someBytes(5))
      if (route === 'mint-token') controls.expireToken()
      controls.force(route, fault)
      await call(upload)
      controls.clearFaults()
    }
  }

  const upload = await goodLife()
  await refusals(upload)
  await faultsOf('begin-multipart', () => beginAt(FILE_NAME))
  await faultsOf('mint-token', () => beginAt(FILE_NAME))
  await faultsOf('create-directory', () => beginAt(`${crypto.randomUUID()}/${FILE_NAME}`))
  await faultsOf('status', (open) => ask('GET', at(open)))
  await faultsOf('renew', (open) => ask('POST', at(open, '/renew')))
  await faultsOf('confirm', (open) => ask('POST', at(open, '/complete')))
  await faultsOf('directory-info', () => ask('POST', at(upload, '/complete')))
  await faultsOf('cancel', (open) => ask('DELETE', at(open)))
  controls.force('status', { delayMs: 3_600_000 })
  await ask('GET', at(upload))
  for (const path of ['/livez', '/readyz', '/openapi.json', '/docs', '/docs/reference.css']) {
    await ask('GET', path)
  }
}
