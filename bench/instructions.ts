import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'

/*
 * Instructions of a process in user space, counted by Linux' `perf`. They depend less on the machine's other work
 * than CPU time does. Many virtual machines cannot count them.
 */

/** Whether `perf` is installed and can count instructions here. */
export async function instructionsAvailable(): Promise<boolean> {
  const counted = await run(['-e', 'instructions:u', 'true']).done
  return counted !== undefined
}

/**
 * Starts counting. Call the result to stop: it resolves to the number of instructions since, or to undefined when
 * they could not be counted.
 */
export async function countInstructions(pid: number): Promise<() => Promise<number | undefined>> {
  const { done, stop } = run(['-e', 'instructions:u', '-p', String(pid)])
  return () => {
    stop()
    return done
  }
}

function run(args: readonly string[]) {
  const perf = spawn('perf', ['stat', '-x', ',', ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
  async function read(): Promise<number | undefined> {
    const exited = once(perf, 'exit')
    const [output] = await Promise.all([text(perf.stderr), exited])
    const [, count] = /^(\d+),,instructions:u/m.exec(output) ?? []
    return count === undefined ? undefined : Number(count)
  }
  // Not installed.
  const done = read().catch(() => undefined)
  return { done, stop: () => perf.kill('SIGINT') }
}
