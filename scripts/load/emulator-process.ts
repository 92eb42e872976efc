import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

export interface EmulatorProcess {
  child: ChildProcess
  /** The gateway's variables for this emulator. */
  variables: Record<string, string>
}

/** Starts an emulator with an empty disk in a process of its own, on free ports. It ends with this process. */
export async function startEmulatorProcess(): Promise<EmulatorProcess> {
  const ports = ['--smh-port', '--cos-port', '--admin-port'].flatMap((flag) => [flag, '0'])
  const child = spawn(process.execPath, ['src/command/main.ts', 'emulator', ...ports], {
    cwd: root,
    env: { PATH: process.env.PATH },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const end = () => child.kill()
  process.once('exit', end)
  child.once('exit', () => process.off('exit', end))
  const variables: Record<string, string> = {}
  for await (const line of createInterface({ input: child.stdout })) {
    const [, name, value] = /^\s+(SMH_\w+)=(\S+)$/.exec(line) ?? []
    if (name && value) variables[name] = value
    if (name === 'SMH_ENDPOINT') break
  }
  child.stdout.resume()
  return { child, variables }
}
