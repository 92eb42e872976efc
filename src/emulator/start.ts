import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getRequestListener } from '@hono/node-server'
import { createAdmin } from './admin.ts'
import { createBytes } from './bytes.ts'
import { createControls, type EmulatorControls } from './controls.ts'
import { createCosSide } from './cos.ts'
import { createFaults } from './faults.ts'
import { type Side, serveRequest } from './http-side.ts'
import { createRecorder } from './recorder.ts'
import { createSmhSide } from './smh.ts'
import { createState, hex } from './state.ts'

export interface EmulatorOptions {
  /** Where to listen; 127.0.0.1 unless told. */
  host?: string
  /** 0, the default, takes any free port. */
  smhPort?: number
  cosPort?: number
  adminPort?: number
  /** Where bytes are kept; unless told a fresh temporary folder, which `close` removes. */
  directory?: string
  libraryId?: string
  /** Random unless told. */
  librarySecret?: string
  /** false, the default: the only space is `-`. */
  multiTenant?: boolean
  /** Spaces that a multi-tenant library starts with. */
  spaces?: string[]
  /** How long COS credentials live; 7200 unless told. */
  credentialTtlSeconds?: number
  /** Origins that the bucket's CORS rule allows; all unless told. */
  corsOrigins?: string[]
  /** The clock to start from, in milliseconds; `advanceClock` adds to it. */
  now?: () => number
}

export interface Emulator {
  libraryId: string
  librarySecret: string
  /** Addresses without a slash at the end. */
  smhUrl: string
  cosUrl: string
  adminUrl: string
  controls: EmulatorControls
  /** Cuts every connection, ends every delay and removes what is on disk. */
  close(): Promise<void>
}

/**
 * Starts SMH, COS and the controls on three ports of one process. Rejects with the system's error,
 * such as EADDRINUSE, when a port cannot be had; nothing is left behind then.
 */
export async function startEmulator(options: EmulatorOptions = {}): Promise<Emulator> {
  const host = options.host ?? '127.0.0.1'
  const spaces = options.spaces ?? []
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), 'smh-emulator-')))
  await mkdir(directory, { recursive: true })
  const bytes = createBytes(directory)
  const state = createState({
    libraryId: options.libraryId ?? 'smh0emulated',
    librarySecret: options.librarySecret ?? hex(16),
    multiTenant: options.multiTenant ?? false,
    spaces,
    credentialTtlMs: (options.credentialTtlSeconds ?? 7200) * 1000,
    corsOrigins: options.corsOrigins ?? ['*'],
    clock: options.now ?? Date.now,
  })
  const faults = createFaults()
  const recorder = createRecorder()
  const serverOf = (side: Side) =>
    createServer((request, response) => {
      serveRequest(side, recorder, faults, request, response).catch(() => response.destroy())
    })
  const smh = serverOf(createSmhSide(state, bytes))
  const cos = serverOf(createCosSide(state, bytes))
  let smhPort = options.smhPort ?? 0
  let cosIsDown = false
  cos.on('connection', (socket) => cosIsDown && socket.destroy())

  function cosDown(isDown: boolean): void {
    cosIsDown = isDown
    if (isDown) cos.closeAllConnections()
  }

  async function refuseConnections(refused: boolean): Promise<void> {
    faults.refuseConnections(refused)
    if (refused) smh.close()
    else if (!smh.listening) await listen(smh, smhPort, host)
  }

  const servers = { cosDown, refuseConnections }
  const controls = createControls(state, bytes, faults, recorder, spaces, servers)
  // The process is somebody else's: its global Request and Response stay what they are.
  const listener = getRequestListener(createAdmin(controls).fetch, { overrideGlobalObjects: false })
  const admin = createServer(listener)
  // A part may take longer than the five minutes that Node allows a request by default.
  cos.requestTimeout = 0

  async function close() {
    faults.close()
    await Promise.all([smh, cos, admin].map(closeServer))
    if (options.directory === undefined) await rm(directory, { recursive: true, force: true })
    else await bytes.clear()
  }

  try {
    smhPort = await listen(smh, smhPort, host)
    const cosPort = await listen(cos, options.cosPort ?? 0, host)
    const adminPort = await listen(admin, options.adminPort ?? 0, host)
    const authority = host.includes(':') ? `[${host}]` : host
    state.cosDomain = `${authority}:${cosPort}`
    return {
      libraryId: state.libraryId,
      librarySecret: state.librarySecret,
      smhUrl: `http://${authority}:${smhPort}`,
      cosUrl: `http://${state.cosDomain}`,
      adminUrl: `http://${authority}:${adminPort}`,
      controls,
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve((server.address() as AddressInfo).port)
    })
  })
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
