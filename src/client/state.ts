import type { UploadError } from './errors.ts'
import type { UploadState } from './types.ts'

type Waiting = Omit<Extract<UploadState, { name: 'waiting' }>, 'name'>
type Phase = 'preparing' | 'uploading' | 'completing'
type Outcome = Extract<UploadState, { name: 'stored' | 'failed' }> | { name: 'aborted' }

/** One request of an upload with its retries, or a sequence of requests. Tasks determine the upload's state. */
export interface Task {
  /** The task waits until the cause is gone. */
  waits(waiting: Waiting): void
  /** The request makes progress. */
  moves(): void
  ends(): void
}

export type StartTask = () => Task

/** A task for requests that belong to no upload. */
export const startUnwatched: StartTask = () => ({ waits() {}, moves() {}, ends() {} })

/**
 * Derives the state of one upload from its phase and its tasks. The upload waits when at least one task
 * waits and no other task moves. A retry ends the wait only when it succeeds, so that the state does not
 * change with every attempt.
 */
export function createStateKeeper(onState: (state: UploadState) => void) {
  let phase: Phase = 'preparing'
  let paused = false
  let outcome: Outcome | undefined
  /** What each task waits for; undefined while it moves. */
  const tasks = new Map<Task, Waiting | undefined>()
  let last: UploadState = { name: phase }

  function current(): UploadState {
    if (outcome) return outcome
    if (paused && phase !== 'completing') return { name: 'paused' }
    const waits = [...tasks.values()]
    const latest = waits.at(-1)
    return latest && !waits.includes(undefined) ? { name: 'waiting', ...latest } : { name: phase }
  }

  function update(): void {
    const next = current()
    if (keyOf(next) === keyOf(last)) return
    last = next
    onState(next)
  }

  return {
    get state() {
      return last
    },
    /** @param waiting what the task waits for from its start */
    start(waiting?: Waiting): Task {
      const task: Task = {
        waits(waiting) {
          if (!tasks.delete(task)) return
          tasks.set(task, waiting)
          update()
        },
        moves() {
          if (!tasks.get(task)) return
          tasks.set(task, undefined)
          update()
        },
        ends() {
          tasks.delete(task)
          update()
        },
      }
      tasks.set(task, waiting)
      update()
      return task
    },
    enter(next: Phase): void {
      phase = next
      update()
    },
    pause(isPaused: boolean): void {
      paused = isPaused
      update()
    },
    end(how: Outcome): void {
      outcome ??= how
      update()
    },
  }
}

/** A key that is equal for states that the app need not distinguish. */
function keyOf(state: UploadState): string {
  return state.name === 'waiting' ? `${state.reason} ${state.retryAt}` : state.name
}

export type StateKeeper = ReturnType<typeof createStateKeeper>

/** What an upload waits for after this error. The wait takes `ms` milliseconds. */
export function waitingAfter({ status = 0 }: UploadError, ms: number): Waiting {
  const retryAt = Date.now() + ms
  if (status === 429) return { reason: 'rate_limit', retryAt }
  return { reason: status >= 409 ? 'server_busy' : 'network', retryAt }
}
