import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Duplex } from 'node:stream'
import { getRequestListener } from '@hono/node-server'
import { createAdmin } from './admin.ts'
import { createBlobStore } from './blob-store.ts'
import { type Certificate, createCertificate } from './certificate.ts'
import { createControls, type EmulatorControls } from './controls.ts'
import { createCosServer } from './cos.ts'
import { createFaults } from './faults.ts'
import { type Server as EmulatedServer, serveRequest } from './http-server.ts'
import { createRecorder } from './recorder.ts'
import { createSmhServer } from './smh.ts'
import { createState, hex } from './state.ts'

export interface EmulatorOptions {
  /** The address to listen on. Default: 127.0.0.1. */
  host?: string
  /** Default: 0, which takes a free port. */
  smhPort?: number
  cosPort?: number
  adminPort?: number
  /** The folder for the stored bytes. Default: a new temporary folder, which `close` removes. */
  directory?: string
  libraryId?: string
  /** Default: random. */
  librarySecret?: string
  /** Default: false, which has only the space `-`. */
  multiTenant?: boolean
  /** The initial spaces of a multi-tenant library. */
  spaces?: string[]
  /** Lifetime of COS credentials. Default: 7200. */
  credentialTtlSeconds?: number
  /** Origins that the bucket's CORS rule allows. Default: all. */
  corsOrigins?: string[]
  /**
   * SMH and COS use HTTPS, with a new certificate. Default: HTTP. `certPath` is the file for the
   * certificate that clients must trust. Default: a file in `directory`.
   */
  tls?: { certPath?: string }
  /** The clock, in milliseconds. `advanceClock` adds to it. */
  now?: () => number
}

export interface Emulator {
  libraryId: string
  /** The newest secret. */
  readonly librarySecret: string
  /** Addresses without a trailing slash. */
  smhUrl: string
  cosUrl: string
  adminUrl: string
  /** The certificate that clients must trust, in PEM, and its file. Only with TLS. */
  authority?: { certificate: string; path: string }
  controls: EmulatorControls
  /** Closes every connection, ends every delay and hold, and deletes the stored bytes. */
  close(): Promise<void>
}

/**
 * Starts SMH, COS and the controls on three ports of one process. The controls always use HTTP.
 *
 * @throws Error of the system, such as EADDRINUSE, when a port is not available. Nothing is left behind.
 */
export async function startEmulator(options: EmulatorOptions = {}): Promise<Emulator> {
  const host = options.host ?? '127.0.0.1'
  const spaces = options.spaces ?? []
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), 'smh-emulator-')))
  await mkdir(directory, { recursive: true })
  const certificate = options.tls && (await createCertificate(namesOf(host)))
  const certPath = options.tls?.certPath ?? join(directory, 'authority.pem')
  const scheme = certificate ? 'https' : 'http'
  const blobStore = createBlobStore(directory)
  const state = createState({
    libraryId: options.libraryId ?? 'smh0emulated',
    librarySecrets: [options.librarySecret ?? hex(16)],
    multiTenant: options.multiTenant ?? false,
    spaces,
    credentialTtlMs: (options.credentialTtlSeconds ?? 7200) * 1000,
    corsOrigins: options.corsOrigins ?? ['*'],
    cosScheme: scheme,
    clock: options.now ?? Date.now,
  })
  const faults = createFaults()
  const recorder = createRecorder()
  const listenerFor = (server: EmulatedServer) =>
    listenerOf(
      createServerOf(certificate, (request, response) => {
        serveRequest(server, recorder, faults, request, response).catch(() => response.destroy())
      }),
    )
  const smh = listenerFor(createSmhServer(state, blobStore))
  const cos = listenerFor(createCosServer(state, blobStore))
  let smhPort = options.smhPort ?? 0
  let cosIsDown = false
  cos.server.on('connection', (socket) => cosIsDown && socket.destroy())

  function cosDown(isDown: boolean): void {
    cosIsDown = isDown
    if (isDown) cos.cutConnections()
  }

  async function refuseConnections(refused: boolean): Promise<void> {
    faults.refuseConnections(refused)
    if (refused) smh.server.close()
    else if (!smh.server.listening) await listen(smh, smhPort, host)
  }

  const servers = { cosDown, refuseConnections }
  const controls = createControls(state, blobStore, faults, recorder, spaces, servers)
  // The emulator also runs in processes of other programs, so it keeps their global Request and Response.
  const listener = getRequestListener(createAdmin(controls).fetch, { overrideGlobalObjects: false })
  const admin = listenerOf(createServer(listener))
  // A part may take longer than Node's default timeout of five minutes.
  cos.server.requestTimeout = 0

  let isCertificateWritten = false

  async function close() {
    faults.close()
    await Promise.all([smh, cos, admin].map(closeListener))
    if (isCertificateWritten) await rm(certPath, { force: true })
    if (options.directory === undefined) await rm(directory, { recursive: true, force: true })
    else await blobStore.clear()
  }

  try {
    smhPort = await listen(smh, smhPort, host)
    const cosPort = await listen(cos, options.cosPort ?? 0, host)
    const adminPort = await listen(admin, options.adminPort ?? 0, host)
    // Not before: when a port is in use, the file may be that of the emulator that uses it.
    if (certificate) {
      await writeFile(certPath, certificate.authority)
      isCertificateWritten = true
    }
    const authority = host.includes(':') ? `[${host}]` : host
    state.cosDomain = `${authority}:${cosPort}`
    return {
      libraryId: state.libraryId,
      get librarySecret() {
        return state.librarySecrets[0] ?? ''
      },
      smhUrl: `${scheme}://${authority}:${smhPort}`,
      cosUrl: `${scheme}://${state.cosDomain}`,
      adminUrl: `http://${authority}:${adminPort}`,
      ...(certificate && {
        authority: { certificate: certificate.authority, path: resolve(certPath) },
      }),
      controls,
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** The names and addresses of a server that listens on `host`. */
const namesOf = (host: string) => ['localhost', '127.0.0.1', '::1', host]

function createServerOf(certificate: Certificate | undefined, listener: RequestListener) {
  if (!certificate) return createServer(listener)
  return createTlsServer({ key: certificate.key, cert: certificate.chain }, listener)
}

interface Listener {
  server: Server | TlsServer
  /** Closes all connections, also those in a TLS handshake. */
  cutConnections(): void
}

function listenerOf(server: Server | TlsServer): Listener {
  const sockets = new Set<Duplex>()
  server.on('connection', (socket: Duplex) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  return {
    server,
    cutConnections() {
      for (const socket of sockets) socket.destroy()
    },
  }
}

function listen({ server }: Listener, port: number, host: string): Promise<number> {
  return new Promise((settle, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      settle((server.address() as AddressInfo).port)
    })
  })
}

function closeListener({ server, cutConnections }: Listener): Promise<void> {
  return new Promise((settle) => {
    server.close(() => settle())
    cutConnections()
  })
}
