import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { ChildMessage, ParentMessage } from './child-entry.ts'
import type { LaunchedGateway, LaunchOptions } from './launch.ts'
import { runtimeCommand } from './runtime-command.ts'

interface Child {
  directory: string
  options: Map<number, LaunchOptions>
  send(message: ParentMessage): void
  /** The answer to a message about this gateway. */
  answer(id: number): Promise<ChildMessage>
}

/** One for all tests of this process: each gateway is one more server in it. */
let shared: Child | undefined
let launched = 0

/** A gateway as the Node entry makes it, in a process of the runtime that is tested. */
export async function launchChild(options: LaunchOptions): Promise<LaunchedGateway> {
  shared ??= startChild()
  const child = shared
  launched += 1
  const id = launched
  const clockFile = join(child.directory, String(id))
  const clockMoved = () => {
    const movedMs = options.monotonicClock() - performance.now()
    const setMs = options.clock() - Date.now() - movedMs
    writeFileSync(clockFile, JSON.stringify([Math.round(movedMs), Math.round(setMs)]))
  }
  clockMoved()
  child.options.set(id, options)
  const { environment, bodyTimeoutMs } = options
  child.send({ id, start: { environment, bodyTimeoutMs, clockFile } })
  const { url, error } = await child.answer(id)
  if (url === undefined) throw new Error(error ?? 'the gateway did not start')
  return {
    url,
    clockMoved,
    async close() {
      child.send({ id })
      await child.answer(id)
    },
  }
}

function startChild(): Child {
  const { command, before } = runtimeCommand()
  const directory = mkdtempSync(join(tmpdir(), 'clocks-'))
  const entry = fileURLToPath(new URL('./child-entry.ts', import.meta.url))
  const root = fileURLToPath(new URL('../..', import.meta.url))
  // It ends when this process does, and with it its standard input.
  const process_: ChildProcess = spawn(command, [...before, entry], {
    cwd: root,
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  process.once('exit', () => {
    process_.kill('SIGKILL')
    rmSync(directory, { recursive: true, force: true })
  })
  const options: Child['options'] = new Map()
  const waiting = new Map<number, (message: ChildMessage) => void>()
  createInterface({ input: process_.stdout! }).on('line', (line) => {
    const message = JSON.parse(line) as ChildMessage
    if (message.record) options.get(message.id)?.onRecord(message.record)
    else waiting.get(message.id)?.(message)
  })
  process_.once('exit', (status) => {
    for (const [id, resolve] of waiting) resolve({ id, error: `the child ended with ${status}` })
  })
  return {
    directory,
    options,
    send: (message) => process_.stdin?.write(`${JSON.stringify(message)}\n`),
    answer: (id) => new Promise((resolve) => waiting.set(id, resolve)),
  }
}
