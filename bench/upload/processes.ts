import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { startEmulatorProcess } from '../../scripts/load/emulator-process.ts'
import type { DemoIssuer } from '../../src/demo/demo-users.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

export interface Services {
  gateway: string
  /** Requests that the gateway has served so far. */
  calls(): number
  close(): Promise<void>
}

/** Starts an emulator with an empty disk, and a gateway in front of it. Each is a process of its own. */
export async function startServices(issuer: DemoIssuer, origin: string): Promise<Services> {
  const emulator = await startEmulatorProcess()
  const gateway = startGateway({
    ...emulator.variables,
    JWT_ISSUER: issuer.issuer,
    JWT_AUDIENCE: issuer.audience,
    CORS_ORIGINS: origin,
    UPLOAD_PATH_PREFIX: '/',
    // High enough never to be reached: requests are still counted.
    RATE_LIMIT_PER_MINUTE: '1000000',
    UPLOAD_MAX_OPEN: '0',
    PORT: '0',
  })
  let calls = 0
  const url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: gateway.stdout }).on('line', (line) => {
      const { event, address, method } = JSON.parse(line)
      if (event === 'listening') resolve(address)
      if (event === 'request' && method !== 'OPTIONS') calls += 1
    })
    gateway.once('exit', () => reject(new Error('The gateway ended before it listened.')))
  })
  return {
    gateway: url,
    calls: () => calls,
    async close() {
      for (const child of [gateway, emulator.child]) {
        const exited = once(child, 'exit')
        child.kill()
        await exited
      }
    },
  }
}

/** The process ends with this one. */
function startGateway(variables: Record<string, string>) {
  const child = spawn(process.execPath, ['src/gateway/runtimes/node/main.ts'], {
    cwd: root,
    env: { PATH: process.env.PATH, ...variables },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const end = () => child.kill()
  process.once('exit', end)
  child.once('exit', () => process.off('exit', end))
  return child
}

/** CPU time and own memory of all processes below this one whose command has this name. Needs Linux. */
export async function usageOfAll(name: string): Promise<{ cpuMs: number; memoryMiB: number }> {
  const all = new Map<number, { parent: number; name: string; cpuMs: number }>()
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    const stat = (await readFile(`/proc/${entry}/stat`, 'utf8').catch(() => '')).trim()
    const [, comm = '', rest = ''] = /^\d+ \((.+)\) (.+)$/.exec(stat) ?? []
    const fields = rest.split(' ')
    const ticks = Number(fields[11]) + Number(fields[12])
    all.set(Number(entry), { parent: Number(fields[1]), name: comm, cpuMs: ticks * 10 })
  }
  const isBelow = (pid: number): boolean => {
    const parent = all.get(pid)?.parent
    return parent !== undefined && (parent === process.pid || isBelow(parent))
  }
  let cpuMs = 0
  let memoryMiB = 0
  for (const [pid, each] of all) {
    if (each.name !== name || !isBelow(pid)) continue
    cpuMs += each.cpuMs
    const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
    memoryMiB += Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) / 1024
  }
  return { cpuMs, memoryMiB }
}
