import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readlinkSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { setTimeout as wait } from 'node:timers/promises'

/*
 * Instructions of a process in user space, counted by Linux' `perf`. They depend less on the machine's other work
 * than CPU time does. Many virtual machines cannot count them.
 */

/** Limits the time in which `perf` opens its counters. */
const ATTACH_TRIES = 200
const ATTACH_WAIT_MS = 10

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
  const { perf, done, stop } = run(['-e', 'instructions:u', '-p', String(pid)])
  if (perf.pid !== undefined) await attached(perf.pid)
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
  return { perf, done, stop: () => perf.kill('SIGINT') }
}

/** Resolves when this `perf` has opened its counters, or has ended. Instructions before that are not counted. */
async function attached(perfPid: number): Promise<void> {
  for (let tries = 0; tries < ATTACH_TRIES; tries += 1) {
    if (targetsOf(`/proc/${perfPid}/fd`).some((target) => target.includes('perf_event'))) return
    await wait(ATTACH_WAIT_MS)
  }
}

/** The targets of the links in this folder. */
function targetsOf(folder: string): string[] {
  try {
    return readdirSync(folder).map((name) => readlinkSync(`${folder}/${name}`))
  } catch {
    // A descriptor has been closed meanwhile, or the process has ended.
    return []
  }
}
