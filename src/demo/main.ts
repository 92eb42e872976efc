import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { constants } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Log } from '../gateway/ports.ts'
import { FileError, type LocalFile, openFile } from './local-file.ts'
import { showUpload } from './show-upload.ts'
import { type Demo, startDemo } from './start-demo.ts'
import { printable, say, sayError, sayField } from './terminal.ts'

const HELP = `Runs the gateway, an emulator of SMH and COS, and an upload page.

Usage: npm run demo                upload a sample, then serve the page until Ctrl-C
       npm run demo -- FILE...     upload these files and exit; status 0 if all are stored intact

  --log       write the gateway's log to standard error, as JSON lines
  --worker    run the gateway as a Worker with wrangler dev, as npm run dev:worker does
  --help      show this text

Everything listens on 127.0.0.1 only. Uploaded files are deleted when the demo ends.
`

/** A few parts, the last one shorter. */
const SAMPLE_BYTES = 18 * 1024 * 1024 + 4321

/** npm forwards a signal that the terminal has already sent. Two signals this close count as one. */
const SAME_SIGNAL_MS = 500

const PARENT_INTERVAL_MS = 200

/** Limits how long the shutdown may take. */
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
// The reader of the output has closed it, as in `npm run demo | head`.
process.stdout.on('error', () => process.exit(1))

process.exit(await run())

/** The first signal shuts the demo down. A second one ends the process at once. */
function end(signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP'): void {
  const now = performance.now()
  if (stop.signal.aborted && now - signalledAt > SAME_SIGNAL_MS) process.exit(signalStatus)
  if (stop.signal.aborted) return
  signalledAt = now
  signalStatus = 128 + constants.signals[signal]
  stop.abort()
}

/** Ends the demo when the shell that npm runs it in dies. npm sends SIGTERM only to that shell. */
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
    sayError(`The demo cannot start: ${error instanceof Error ? error.message : error}`)
    return 1
  }
  try {
    sayWelcome(demo)
    return files.length > 0 ? await uploadAll(demo, files) : await serve(demo)
  } catch (error) {
    if (!stop.signal.aborted) throw error
    say()
    say('Interrupted. The upload was aborted.')
    return signalStatus
  } finally {
    const late = new Promise((resolve) => setTimeout(resolve, CLOSE_MS))
    await Promise.race([demo.close(), late])
  }
}

/** Opens the files that can be uploaded. Reports the others before anything starts. */
async function openFiles(paths: readonly string[]): Promise<LocalFile[]> {
  const files: LocalFile[] = []
  for (const path of paths) {
    try {
      files.push({ path, content: await openFile(path) })
    } catch (error) {
      if (!(error instanceof FileError)) throw error
      sayError(`${printable(path)} ${error.message}`)
    }
  }
  return files
}

function sayWelcome({ pageUrl, gatewayUrl }: Demo): void {
  say('Demo of the upload gateway for SMH')
  say()
  if (commandLine.files.length === 0) sayField('Page', `${pageUrl}/`)
  sayField('Gateway', `${gatewayUrl} (API reference: ${gatewayUrl}/docs)`)
  if (commandLine.worker)
    sayField('', 'a Worker in wrangler dev, which reloads it when src/ changes')
  sayField('SMH, COS', 'emulated on this machine; files are deleted when the demo ends')
}

async function serve(demo: Demo): Promise<number> {
  const sample = join(demo.folder, 'sample.bin')
  await writeFile(sample, randomBytes(SAMPLE_BYTES))
  const file = { path: sample, content: await openFile(sample) }
  if (!(await showUpload(demo, file, options))) return 1
  say()
  say(`Open ${demo.pageUrl}/ to upload from a browser. Press Ctrl-C to stop.`)
  await new Promise((resolve) => {
    if (stop.signal.aborted) resolve(undefined)
    stop.signal.addEventListener('abort', resolve)
  })
  return 0
}

async function uploadAll(demo: Demo, files: readonly LocalFile[]): Promise<number> {
  let intact = 0
  for (const file of files) {
    stop.signal.throwIfAborted()
    if (await showUpload(demo, file, options)) intact += 1
  }
  const asked = commandLine.files.length
  say()
  say(`${intact} of ${asked} ${asked === 1 ? 'file' : 'files'} stored intact.`)
  return intact === asked ? 0 : 1
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
    sayError(`${error instanceof Error ? error.message : error}\nSee --help.`)
    process.exit(2)
  }
}
