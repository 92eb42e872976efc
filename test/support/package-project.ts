import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** What the tests of the packages do in a project that has one installed. */

const execute = promisify(execFile)

/** Runs a module of the project with Node. Returns the last line of its output, which is JSON. */
export async function runModule(
  project: string,
  text: string,
  environment: Record<string, string> = {},
) {
  const file = join(project, 'main.ts')
  await writeFile(file, text)
  const env = { PATH: process.env.PATH ?? '', ...environment }
  const { stdout } = await execute(process.execPath, [file], { cwd: project, env })
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '')
}

/** The two ways in which TypeScript resolves packages, by name. */
export const resolutions = [
  ['nodenext', ['--module', 'nodenext']],
  ['bundler', ['--module', 'esnext', '--moduleResolution', 'bundler']],
] as const

/** Checks modules and the declarations that they use with TypeScript. Returns its complaints. */
export async function checkTypes(
  project: string,
  modules: Record<string, string>,
  options: readonly string[],
): Promise<string> {
  for (const [file, text] of Object.entries(modules)) await writeFile(join(project, file), text)
  const tsc = fileURLToPath(new URL('bin/tsc', import.meta.resolve('typescript/package.json')))
  const strict = ['--strict', '--exactOptionalPropertyTypes', '--noUncheckedIndexedAccess']
  const given = [...strict, '--target', 'es2024', '--resolveJsonModule', ...options]
  const args = [tsc, '--ignoreConfig', '--noEmit', ...given, ...Object.keys(modules)]
  const checked = execute(process.execPath, args, { cwd: project })
  return checked.then(
    ({ stdout }) => stdout,
    (error: { stdout: string }) => error.stdout,
  )
}
