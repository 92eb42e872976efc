import { spawnSync } from 'node:child_process'

/** How a TypeScript file is run: the command, and what comes before the file. */
interface RuntimeCommand {
  command: string
  before: readonly string[]
}

/** The runtime that `GATEWAY_RUNTIME` names, by `PATH` or by `BUN_PATH` and `DENO_PATH`. */
export function runtimeCommand(): RuntimeCommand {
  switch (process.env.GATEWAY_RUNTIME) {
    case 'bun':
      return { command: installed('bun', process.env.BUN_PATH), before: [] }
    case 'deno':
      return {
        command: installed('deno', process.env.DENO_PATH),
        before: ['run', '--allow-all', '--no-lock'],
      }
    default:
      return { command: process.execPath, before: [] }
  }
}

function installed(name: string, path = name): string {
  if (spawnSync(path, ['--version']).status === 0) return path
  const variable = `${name.toUpperCase()}_PATH`
  throw new Error(`${name} was not found. Install it, or set ${variable} to its executable.`)
}
