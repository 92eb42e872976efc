import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { stripVTControlCharacters } from 'node:util'
import { configVariables } from '../gateway/config/variables.ts'
import type { Log } from '../gateway/ports.ts'
import { projectFolder, wranglerManners, wranglerScript } from './wrangler.ts'

/** A cold start takes a few seconds, on a busy machine several times that. */
const START_MS = 60_000

export interface WorkerGatewayOptions {
  /** What the Worker gets as secrets. */
  environment: Readonly<Record<string, string>>
  log: Log
  /** For whatever wrangler writes but its bundle. */
  folder: string
  /** Gives the start up. */
  signal: AbortSignal
}

/**
 * Runs the Worker in workerd, by `wrangler dev`, which bundles it anew when a source changes.
 *
 * @throws Error with wrangler's own words when it does not start
 */
export async function startWorkerGateway(
  options: WorkerGatewayOptions,
): Promise<{ url: string; close(): Promise<void> }> {
  const { environment, log, folder, signal } = options
  // Anybody on this machine may see a command line: secrets go through a file.
  const secrets = join(folder, 'worker.env')
  await writeFile(secrets, linesOf(environment), { mode: 0o600 })
  signal.throwIfAborted()

  const child = spawn(process.execPath, [wranglerScript, ...argumentsOf(folder, secrets)], {
    cwd: projectFolder,
    // A group of its own: Ctrl-C must not end it before an upload was aborted through it.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: {
      ...process.env,
      ...wranglerManners,
      CLOUDFLARE_CF_FETCH_ENABLED: 'false',
      WRANGLER_REGISTRY_PATH: join(folder, 'registry'),
      TMPDIR: folder,
    },
  })
  const closed = once(child, 'close')
  // Before the folder is removed, should this process end in haste.
  const endAll = () => killGroup(child)
  process.prependOnceListener('exit', endAll)

  async function close() {
    // esbuild, told to end while it bundles a change, dies with a page of its own insides.
    child.stderr!.unpipe(process.stderr).resume()
    child.kill('SIGTERM')
    await closed
    endAll()
    process.off('exit', endAll)
  }

  createInterface({ input: child.stdout! }).on('line', (line) => handOn(line, log))
  let said = ''
  const listen = (text: string) => {
    said += text
  }
  child.stderr!.setEncoding('utf8').on('data', listen)
  const giveUp = () => child.kill('SIGTERM')
  signal.addEventListener('abort', giveUp, { once: true })
  try {
    const url = await Promise.race([answering(child), ending(closed)])
    // From now on a source that cannot be bundled is news for whoever changes it.
    child.stderr!.off('data', listen).pipe(process.stderr, { end: false })
    return { url, close }
  } catch (error) {
    await close()
    throw new Error(`${(error as Error).message}\n${stripVTControlCharacters(said)}`)
  } finally {
    signal.removeEventListener('abort', giveUp)
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

/** In the form of a `.env` file. Blank are those that wrangler.toml may set for a deployment. */
function linesOf(environment: Readonly<Record<string, string>>): string {
  return configVariables.map((name) => `${name}='${environment[name] ?? ''}'\n`).join('')
}

/** Resolves to the Worker's address once it answers there. */
async function answering(child: ChildProcess): Promise<string> {
  const signal = AbortSignal.timeout(START_MS)
  const [message] = (await once(child, 'message', { signal })) as [string]
  const { port } = JSON.parse(message) as { port: number }
  const url = `http://127.0.0.1:${port}`
  // wrangler listens at once and has callers wait for its bundle.
  const { status } = await fetch(`${url}/livez`, { signal })
  if (status !== 200) throw new Error(`The Worker answers ${status}.`)
  return url
}

async function ending(closed: Promise<unknown[]>): Promise<never> {
  const [status] = await closed
  throw new Error(`wrangler ended with ${status}.`)
}

/** Between the gateway's own log wrangler tells of its doings. */
function handOn(line: string, log: Log): void {
  if (!line.startsWith('{"level":')) return
  const { level, time, ...record } = JSON.parse(line)
  log(level, record)
}

/** wrangler's children as well; none of them may outlive the demo. */
function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid) process.kill(-pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
