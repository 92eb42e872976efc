import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** CPU time and memory of a process since its start. */
export interface Usage {
  cpuMicroseconds: number
  rssBytes: number
}

export interface MeasuredServer {
  url: string
  pid: number
  usage(): Promise<Usage>
  close(): Promise<void>
}

export interface LogLine {
  event: string
  address: string
  requestId?: string
  status?: number
}

const preload = new URL('./usage.js', import.meta.url).href

/**
 * Starts a server in a separate process, and reads all its output.
 *
 * @param onLine receives each JSON line of the log. Default: lines are discarded, which costs the load less CPU time
 */
export async function startServer(
  file: URL,
  environment: Record<string, string>,
  onLine?: (line: LogLine) => void,
): Promise<MeasuredServer> {
  const child = fork(fileURLToPath(file), [], {
    env: { PATH: process.env.PATH ?? '', NODE_ENV: 'production', ...environment },
    execArgv: [
      ...ownFlags(file),
      '--import',
      preload,
      ...(process.env.CPU_PROF ? ['--cpu-prof', `--cpu-prof-dir=${process.env.CPU_PROF}`] : []),
    ],
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  const url = await addressOf(child, onLine)
  return {
    url,
    pid: child.pid as number,
    usage: () => ask<Usage>(child, 'usage'),
    async close() {
      child.kill()
      await once(child, 'exit')
    },
  }
}

/** The Node flags in the file's first line, which an installed command runs with. */
function ownFlags(file: URL): string[] {
  const [firstLine = ''] = readFileSync(file, 'utf8').split('\n', 1)
  return /^#!.*\bnode (.+)$/.exec(firstLine)?.[1]?.split(' ') ?? []
}

/** The address in the process's first `listening` line. */
async function addressOf(child: ChildProcess, onLine?: (line: LogLine) => void): Promise<string> {
  if (!child.stdout) throw new Error('The process has no output.')
  const lines = createInterface({ input: child.stdout })
  const address = new Promise<string>((resolve, reject) => {
    lines.on('line', (line) => {
      // Some servers print other lines too.
      if (!line.startsWith('{')) return
      const record: LogLine = JSON.parse(line)
      onLine?.(record)
      if (record.event === 'listening') resolve(record.address)
    })
    lines.on('close', () => reject(new Error('The server ended before it listened.')))
  })
  const found = await address
  if (!onLine) {
    lines.close()
    child.stdout.resume()
  }
  return found
}

export async function ask<Answer>(child: ChildProcess, question: string): Promise<Answer> {
  const answered = once(child, 'message')
  child.send(question)
  const [answer] = await answered
  return answer
}
