import { X509Certificate } from 'node:crypto'
import { access, mkdtemp, readFile, rm } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { Agent, fetch as undiciFetch } from 'undici'
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { startDemoIssuer } from '../../src/demo/demo-users.ts'
import { environmentOf } from '../../src/demo/environment.ts'
import { type Emulator, startEmulator } from '../../src/emulator/start.ts'
import { run } from '../support/process.ts'
import { crc64Of, createSmhClient, filled, MIB, type SmhClient } from '../support/smh-client.ts'
import { emulatorTarget } from '../support/smh-target.ts'

let emulator: Emulator
let smh: SmhClient
let agent: Agent
let token: string

/** Trusts only the emulator's certificate. */
const trustingFetch = ((url: string, init: object) =>
  undiciFetch(url, { ...init, dispatcher: agent })) as unknown as typeof fetch

beforeAll(async () => {
  const target = await emulatorTarget({ tls: {}, corsOrigins: ['https://app.example'] })
  emulator = target.emulator
  agent = new Agent({ connect: { ca: emulator.authority?.certificate ?? '' } })
  smh = createSmhClient(target, trustingFetch)
})

beforeEach(async () => {
  await emulator.controls.reset()
  token = await smh.mint('upload_file,create_directory')
})

afterAll(async () => {
  await agent.close()
  await emulator.close()
})

const hostAndPort = (url: string) => {
  const { hostname, port } = new URL(url)
  return { host: hostname, port: Number(port) }
}

test('TLS: begin, parts, confirm and download, with a client that trusts the certificate', async () => {
  const parts = [filled(MIB), filled(10, 'b')]
  const confirmed = await smh.upload(token, 'a.bin', parts)
  expect(confirmed.body).toMatchObject({ path: ['a.bin'], crc64: await crc64Of(...parts) })
  const { body } = await smh.file('GET', 'a.bin', { token, query: { info: '' } })
  const url = String(body.cosUrl)
  expect(url).toMatch(/^https:/)
  const stored = await (await trustingFetch(url)).arrayBuffer()
  expect(await crc64Of(new Uint8Array(stored))).toBe(confirmed.body.crc64)
})

test('TLS: a client that does not trust the certificate cannot connect', async () => {
  for (const url of [emulator.smhUrl, emulator.cosUrl]) {
    await expect(fetch(url)).rejects.toMatchObject({
      cause: { code: expect.stringMatching(/^SELF_SIGNED|^UNABLE_TO/) },
    })
    expect(url).toMatch(/^https:/)
  }
})

test('TLS: connections are kept alive, and the bucket answers a preflight', async () => {
  const preflight = {
    method: 'OPTIONS',
    headers: { origin: 'https://app.example', 'access-control-request-method': 'PUT' },
  }
  const response = await trustingFetch(`${emulator.cosUrl}/key`, preflight)
  expect(response.status).toBe(200)
  expect(response.headers.get('access-control-allow-origin')).toBe('https://app.example')
  expect(response.headers.get('connection')).toBe('keep-alive')
})

test('TLS: the certificate is valid for the names of this machine and for the host', async () => {
  const other = await startEmulator({ host: 'localhost', tls: {} })
  onTestFinished(() => other.close())
  expect(other.cosUrl).toMatch(/^https:\/\/localhost:/)
  const certificate = await new Promise<X509Certificate>((resolve, reject) => {
    const ca = other.authority?.certificate
    const socket = connectTls({ ...hostAndPort(other.cosUrl), servername: 'localhost', ca })
    socket.once('error', reject)
    socket.once('secureConnect', () => {
      resolve(socket.getPeerX509Certificate() as X509Certificate)
      socket.destroy()
    })
  })
  for (const host of ['localhost', '127.0.0.1', '::1']) {
    expect(certificate.checkHost(host) ?? certificate.checkIP(host)).toBe(host)
  }
  expect(certificate.checkHost('example.com')).toBeUndefined()
  expect(new X509Certificate(other.authority?.certificate ?? '').ca).toBe(true)
})

test('TLS: closing does not wait for a connection without a handshake', async () => {
  const other = await startEmulator({ tls: {} })
  const sockets = await Promise.all(
    [other.smhUrl, other.cosUrl].map((url) => {
      const socket = connect(hostAndPort(url)).on('error', () => {})
      return new Promise<Socket>((resolve) => socket.once('connect', () => resolve(socket)))
    }),
  )
  const closed = sockets.map((socket) => new Promise((resolve) => socket.once('close', resolve)))
  await other.close()
  await Promise.all(closed)
})

test('TLS: while COS is down, it closes all connections', async () => {
  emulator.controls.cosDown(true)
  await expect(trustingFetch(emulator.cosUrl)).rejects.toThrow()
  emulator.controls.cosDown(false)
  expect((await trustingFetch(emulator.cosUrl)).status).toBe(403)
})

test('--tls: gateway and client upload a file with NODE_EXTRA_CA_CERTS', {
  timeout: 30_000,
}, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'smh-tls-test-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const certPath = join(folder, 'ca.pem')
  const issuer = await startDemoIssuer()
  onTestFinished(() => issuer.close())
  const command = run('src/command/main.ts', { EMULATOR_LIBRARY_SECRET: 's3cret' }, [
    'emulator',
    ...['--smh-port=0', '--cos-port=0', '--admin-port=0'],
    `--tls-cert=${certPath}`,
  ])
  await command.line((line) => line.includes(`NODE_EXTRA_CA_CERTS=${certPath}`))
  const smhUrl = /SMH_ENDPOINT=(https:.*)/.exec(command.output())?.[1] ?? ''
  expect(command.output()).toMatch(/COS +https:/)
  expect(await readFile(certPath, 'utf8')).toMatch(/^-----BEGIN CERTIFICATE/)

  const library = { libraryId: 'smh0emulated', librarySecret: 's3cret' }
  const trust = { NODE_EXTRA_CA_CERTS: certPath }
  const gateway = run('src/gateway/runtimes/node/main.ts', {
    ...environmentOf({ emulator: { ...library, smhUrl }, issuer }),
    ...trust,
    PORT: '0',
  })
  const listening = await gateway.line((line) => line.includes('"event":"listening"'))
  const client = run(
    '--input-type=module',
    {
      ...trust,
      GATEWAY: JSON.parse(listening).address,
      TOKEN: await issuer.token({ sub: 'ann' }),
    },
    [
      '--eval',
      `import { createUploadClient } from './src/client/index.ts'
      const { GATEWAY: gateway, TOKEN: token } = process.env
      const client = createUploadClient({ gateway, getToken: () => token })
      const file = new Blob([new Uint8Array(${MIB + 5})])
      console.log(JSON.stringify(await client.upload(file, { path: 'a.bin', partSize: ${MIB} }).done))`,
    ],
  )
  const stored = JSON.parse(await client.line((line) => line.startsWith('{')))
  expect(stored).toMatchObject({ size: MIB + 5, crc64: await crc64Of(new Uint8Array(MIB + 5)) })
  command.child.kill('SIGTERM')
  expect(await command.ended).toBe(0)
  await expect(access(certPath)).rejects.toThrow()
})
