import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { stripVTControlCharacters } from 'node:util'
import { configVariables } from '../gateway/config/variables.ts'
import type { Log } from '../gateway/ports.ts'
import { projectFolder, wranglerEnvironment, wranglerScript } from './wrangler.ts'

/** Limits the start of wrangler. A cold start takes seconds, or much longer on a busy machine. */
const START_MS = 60_000

export interface WorkerGatewayOptions {
  /** Variables that the Worker receives as secrets. */
  environment: Readonly<Record<string, string>>
  log: Log
  /** Folder for the files that wrangler writes. */
  folder: string
  /** Aborts the start. */
  signal: AbortSignal
}

/**
 * Runs the Worker in workerd with `wrangler dev`, which reloads it when a source file changes.
 *
 * @throws Error with wrangler's output when it does not start
 */
export async function startWorkerGateway(
  options: WorkerGatewayOptions,
): Promise<{ url: string; close(): Promise<void> }> {
  const { environment, log, folder, signal } = options
  // Other users of this machine can read command lines, so secrets are passed in a file.
  const secrets = join(folder, 'worker.env')
  await writeFile(secrets, linesOf(environment), { mode: 0o600 })
  signal.throwIfAborted()

  const child = spawn(process.execPath, [wranglerScript, ...argumentsOf(folder, secrets)], {
    cwd: projectFolder,
    // A separate process group: Ctrl-C must not stop wrangler before the upload has been aborted.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: {
      ...process.env,
      ...wranglerEnvironment,
      CLOUDFLARE_CF_FETCH_ENABLED: 'false',
      WRANGLER_REGISTRY_PATH: join(folder, 'registry'),
      TMPDIR: folder,
    },
  })
  const closed = once(child, 'close')
  // Runs before the folder is removed, if this process ends without `close`.
  const endAll = () => killGroup(child)
  process.prependOnceListener('exit', endAll)

  async function close() {
    // esbuild prints a long stack trace when it is stopped while it bundles.
    child.stderr!.unpipe(process.stderr).resume()
    child.kill('SIGTERM')
    await closed
    endAll()
    process.off('exit', endAll)
  }

  createInterface({ input: child.stdout! }).on('line', (line) => forwardLogLine(line, log))
  let errorOutput = ''
  const collect = (text: string) => {
    errorOutput += text
  }
  child.stderr!.setEncoding('utf8').on('data', collect)
  const stop = () => child.kill('SIGTERM')
  signal.addEventListener('abort', stop, { once: true })
  try {
    const url = await Promise.race([readyAt(child), rejectWhen(closed)])
    // From now on wrangler's errors concern changes of the source, so the terminal shows them.
    child.stderr!.off('data', collect).pipe(process.stderr, { end: false })
    return { url, close }
  } catch (error) {
    await close()
    throw new Error(`${(error as Error).message}\n${stripVTControlCharacters(errorOutput)}`)
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

function argumentsOf(folder: string, secrets: string): string[] {
  return [
    'dev',
    ...['--ip', '127.0.0.1', '--port', '0'],
    ...['--inspector-ip', '127.0.0.1', '--inspector-port', '0'],
    ...['--env-file', secrets],
    ...['--persist-to', join(folder, 'worker-state')],
    '--show-interactive-dev-session=false',
  ]
}

/** The content of an `.env` file. Empty lines override the values of wrangler.toml. */
function linesOf(environment: Readonly<Record<string, string>>): string {
  return configVariables.map((name) => `${name}='${environment[name] ?? ''}'\n`).join('')
}

/** Resolves to the Worker's address once it responds. */
async function readyAt(child: ChildProcess): Promise<string> {
  const signal = AbortSignal.timeout(START_MS)
  const [message] = (await once(child, 'message', { signal })) as [string]
  const { port } = JSON.parse(message) as { port: number }
  const url = `http://127.0.0.1:${port}`
  // wrangler listens at once, and delays responses until its bundle is ready.
  const { status } = await fetch(`${url}/livez`, { signal })
  if (status !== 200) throw new Error(`The Worker responded with status ${status}.`)
  return url
}

async function rejectWhen(closed: Promise<unknown[]>): Promise<never> {
  const [status] = await closed
  throw new Error(`wrangler ended with ${status}.`)
}

/** Forwards lines of the gateway's log. wrangler writes its own messages in between. */
function forwardLogLine(line: string, log: Log): void {
  if (!line.startsWith('{"level":')) return
  const { level, time, ...record } = JSON.parse(line)
  log(level, record)
}

/** Kills wrangler and its child processes, which must not outlive the demo. */
function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid) process.kill(-pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
