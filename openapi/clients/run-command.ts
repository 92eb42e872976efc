import { spawn, spawnSync } from 'node:child_process'

/** Longest time for one command: the first run of Maven downloads a compiler. */
const TIMEOUT_MS = 10 * 60_000

export interface Command {
  command: string
  args: readonly string[]
  cwd: string
  environment?: Record<string, string>
}

/**
 * Runs a command and returns its standard output.
 *
 * @throws Error with the end of all output when the command fails or takes ten minutes
 */
export function runCommand({ command, args, cwd, environment }: Command): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: TIMEOUT_MS,
    })
    let all = ''
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text
      all += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      all += text
    })
    child.once('error', reject)
    child.once('close', (code) => {
      if (code === 0) resolve(output)
      else reject(new Error(`${command} ${args.join(' ')}: exit code ${code}\n${all.slice(-4000)}`))
    })
  })
}

/** Runs Maven, once more when it fails: it downloads, and a download may break off. */
export async function runMaven(args: readonly string[], cwd: string): Promise<void> {
  const quiet = ['--batch-mode', '--no-transfer-progress', '--quiet']
  const maven = { command: 'mvn', args: [...quiet, ...args], cwd }
  await runCommand(maven).catch(() => runCommand(maven))
}

/** Whether a command is installed. */
export function isInstalled(command: string, versionArgument: string): boolean {
  return spawnSync(command, [versionArgument], { stdio: 'ignore' }).status === 0
}
