import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { constants } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Log } from '../gateway/ports.ts'
import { FileFault, type LocalFile, openFile } from './local-file.ts'
import { showUpload } from './show-upload.ts'
import { type Demo, startDemo } from './start-demo.ts'
import { complain, printable, say, sayOf } from './terminal.ts'

const HELP = `Runs the gateway, a stand-in for SMH and COS, and a page to upload from.

Usage: npm run demo                uploads a sample, then serves the page until Ctrl-C
       npm run demo -- FILE...     uploads these files, then ends; status 0: all arrived whole

  --log       the gateway's own log, as JSON lines on standard error
  --worker    the gateway as a Worker, by wrangler dev: npm run dev:worker does this
  --help

All of it listens on 127.0.0.1 only, and whatever was uploaded is gone at the end.
`

/** A few parts, the last one shorter. */
const SAMPLE_BYTES = 18 * 1024 * 1024 + 4321

/** npm hands on a signal that the terminal has sent already: these two are one. */
const SAME_SIGNAL_MS = 500

const PARENT_INTERVAL_MS = 200

/** Nobody waits longer than this for the end. */
const CLOSE_MS = 3_000

const commandLine = readCommandLine()
const stop = new AbortController()
const options = { signal: stop.signal, log: commandLine.log }
let signalStatus = 0
let signalledAt = 0
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => end(signal))
}
if (process.env.npm_lifecycle_event) watchParent()
// Whoever read the output is gone, as in `npm run demo | head`.
process.stdout.on('error', () => process.exit(1))

process.exit(await run())

/** The first signal ends the demo in good order, a second one at once. */
function end(signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP'): void {
  const now = performance.now()
  if (stop.signal.aborted && now - signalledAt > SAME_SIGNAL_MS) process.exit(signalStatus)
  if (stop.signal.aborted) return
  signalledAt = now
  signalStatus = 128 + constants.signals[signal]
  stop.abort()
}

/** npm hands SIGTERM to the shell between it and this process, which dies and tells nobody. */
function watchParent(): void {
  const parent = process.ppid
  const watch = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(watch)
    end('SIGTERM')
  }, PARENT_INTERVAL_MS)
  watch.unref()
}

async function run(): Promise<number> {
  const files = await openFiles(commandLine.files)
  if (commandLine.files.length > 0 && files.length === 0) return 1
  let demo: Demo
  try {
    const log = commandLine.log ? logLine : () => {}
    demo = await startDemo({ log, worker: commandLine.worker, signal: stop.signal })
  } catch (error) {
    if (stop.signal.aborted) return signalStatus
    complain(`The demo cannot start: ${error instanceof Error ? error.message : error}`)
    return 1
  }
  try {
    sayWelcome(demo)
    return files.length > 0 ? await uploadAll(demo, files) : await serve(demo)
  } catch (error) {
    if (!stop.signal.aborted) throw error
    say()
    say('Interrupted; the upload was aborted.')
    return signalStatus
  } finally {
    const late = new Promise((resolve) => setTimeout(resolve, CLOSE_MS))
    await Promise.race([demo.close(), late])
  }
}

/** The files that can be uploaded. The others are reported before anything is started. */
async function openFiles(paths: readonly string[]): Promise<LocalFile[]> {
  const files: LocalFile[] = []
  for (const path of paths) {
    try {
      files.push({ path, content: await openFile(path) })
    } catch (error) {
      if (!(error instanceof FileFault)) throw error
      complain(`${printable(path)} ${error.message}`)
    }
  }
  return files
}

function sayWelcome({ pageUrl, gatewayUrl }: Demo): void {
  say('Upload gateway for SMH: the demo')
  say()
  if (commandLine.files.length === 0) sayOf('Page', `${pageUrl}/`)
  sayOf('Gateway', `${gatewayUrl}, described at ${gatewayUrl}/docs`)
  if (commandLine.worker) sayOf('', 'a Worker, by wrangler dev: changes in src/ are live at once')
  sayOf('SMH, COS', 'stand-ins on this machine; whatever is uploaded is gone at the end')
}

async function serve(demo: Demo): Promise<number> {
  const sample = join(demo.folder, 'sample.bin')
  await writeFile(sample, randomBytes(SAMPLE_BYTES))
  const file = { path: sample, content: await openFile(sample) }
  if (!(await showUpload(demo, file, options))) return 1
  say()
  say(`Open ${demo.pageUrl}/ to upload from a browser. Ctrl-C ends the demo.`)
  await new Promise((resolve) => {
    if (stop.signal.aborted) resolve(undefined)
    stop.signal.addEventListener('abort', resolve)
  })
  return 0
}

async function uploadAll(demo: Demo, files: readonly LocalFile[]): Promise<number> {
  let whole = 0
  for (const file of files) {
    stop.signal.throwIfAborted()
    if (await showUpload(demo, file, options)) whole += 1
  }
  const asked = commandLine.files.length
  say()
  say(`${whole} of ${asked} ${asked === 1 ? 'file' : 'files'} arrived whole.`)
  return whole === asked ? 0 : 1
}

function logLine(...[level, record]: Parameters<Log>): void {
  process.stderr.write(`${JSON.stringify({ level, ...record })}\n`)
}

function readCommandLine(): { files: string[]; log: boolean; worker: boolean } {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        log: { type: 'boolean', default: false },
        worker: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h' },
      },
    })
    if (values.help) {
      process.stdout.write(HELP)
      process.exit(0)
    }
    return { files: positionals, log: values.log, worker: values.worker }
  } catch (error) {
    complain(`${error instanceof Error ? error.message : error}\n--help tells more.`)
    process.exit(2)
  }
}
