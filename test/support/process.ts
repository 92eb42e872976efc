import { type ChildProcess, spawn } from 'node:child_process'
import { get } from 'node:http'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { runtimeCommand } from './runtime-command.ts'

export interface RunningProcess {
  child: ChildProcess
  /** All output so far. */
  output(): string
  errors(): string
  /** The first line of standard output, past or to come, that `wanted` holds for. */
  line(wanted: (line: string) => boolean): Promise<string>
  /** Resolves to the exit status, or the name of the signal that ended it. */
  ended: Promise<number | string>
}

/** Runs a TypeScript file of this project by the runtime under test; it is killed with the test. */
export function run(
  file: string,
  environment: Record<string, string>,
  args: readonly string[] = [],
): RunningProcess {
  const root = fileURLToPath(new URL('../..', import.meta.url))
  const { command, before } = runtimeCommand()
  return runProgram(command, [...before, file, ...args], { cwd: root, environment })
}

/** Runs a program that is killed with the test. Its environment has PATH and what is given here. */
export function runProgram(
  command: string,
  args: readonly string[],
  { cwd, environment }: { cwd: string; environment: Record<string, string> },
): RunningProcess {
  const child = spawn(command, args, {
    cwd,
    env: { PATH: process.env.PATH ?? '', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  const lines: string[] = []
  let errors = ''
  const waiting = new Set<() => void>()
  child.stderr?.on('data', (chunk) => {
    errors += chunk
  })
  createInterface({ input: child.stdout! }).on('line', (line) => {
    lines.push(line)
    for (const look of waiting) look()
  })
  const ended = new Promise<number | string>((resolve) => {
    child.once('close', (status, signal) => resolve(status ?? signal ?? 'unknown'))
  })
  return {
    child,
    output: () => lines.join('\n'),
    errors: () => errors,
    line: (wanted) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const found = lines.find(wanted)
          if (found === undefined) return
          waiting.delete(look)
          resolve(found)
        }
        waiting.add(look)
        look()
        void ended.then((status) => reject(new Error(`ended with ${status}: ${errors}`)))
      }),
    ended,
  }
}

/** The status, or the error code, of a request on a new connection. */
export function knock(url: string): Promise<unknown> {
  return new Promise((resolve) => {
    get(`${url}/livez`, { agent: false }, (response) => {
      response.resume()
      resolve(response.statusCode)
    }).once('error', (error) => resolve((error as { code?: string }).code))
  })
}
