import { type Evidence, gatherEvidence } from './evidence.ts'
import { startFailures } from './failures.ts'
import type { Journal } from './journal.ts'
import { type CampaignOptions, type Failure, type PlannedUpload, planCampaign } from './plan.ts'
import { settle } from './settle.ts'
import { performUpload } from './user.ts'
import { judge, type Verdict } from './verdict.ts'
import { startWorld, type World } from './world.ts'

/** Uploads of one user at the same time. */
const LANES = 3

/** After this time without a response, something hangs. */
const STUCK_MS = 60_000

export interface Campaign {
  verdict: Verdict
  evidence: Evidence
  journal: Journal
  triggered: ReadonlyMap<Failure['kind'], number>
  tokenMode: string
  tookMs: number
}

export interface CampaignHooks {
  /** Ends the campaign without a verdict. */
  signal?: AbortSignal
  onProgress?: (ended: number) => void
}

/**
 * Lets users upload while failures happen, then checks that every response was true.
 * The seed determines the plan; it determines the order of events only roughly.
 */
export async function runCampaign(
  options: CampaignOptions,
  { signal = new AbortController().signal, onProgress = () => {} }: CampaignHooks = {},
): Promise<Campaign> {
  const beganAt = performance.now()
  const plan = planCampaign(options)
  const world = await startWorld(plan)
  const done = new AbortController()
  const destroy = () => world.destroy()
  // Children outlive a parent that just ends.
  process.once('exit', destroy)
  try {
    const triggered = await Promise.race([
      run(world, onProgress),
      rejectOnAbort(signal),
      rejectWhenIdle(world, done.signal),
    ])
    const evidence = await gatherEvidence(world)
    return {
      verdict: judge(evidence),
      evidence,
      journal: world.journal,
      triggered,
      tokenMode: plan.tokenMode,
      tookMs: performance.now() - beganAt,
    }
  } finally {
    done.abort()
    await world.close()
    process.off('exit', destroy)
  }
}

async function run(world: World, onProgress: (ended: number) => void) {
  const { plan, journal, gateways } = world
  const failures = startFailures(world)
  let ended = 0
  async function upload(planned: PlannedUpload) {
    await performUpload(world, planned)
    ended += 1
    onProgress(ended)
  }
  const queues = Map.groupBy(plan.planned, ({ user }) => user)
  await Promise.all([...queues.values()].map((queue) => inLanes(queue, upload)))
  await failures.end()
  await inLanes(journal.attempts, (attempt) => settle(world, attempt))
  // A gateway finishes the requests of users who have left before it ends.
  await Promise.all(gateways.map((gateway) => gateway.close()))
  return failures.triggered
}

async function inLanes<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = items.values()
  async function lane() {
    for (const item of left) await work(item)
  }
  await Promise.all(Array.from({ length: LANES }, lane))
}

function rejectOnAbort(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    if (signal.aborted) reject(signal.reason)
  })
}

/** Rejects when something hangs; ends with `done`. */
function rejectWhenIdle(world: World, done: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const look = setInterval(() => {
      if (world.idleMs() > STUCK_MS)
        reject(new Error(`No response for ${STUCK_MS / 1000} seconds.`))
    }, 1_000)
    done.addEventListener('abort', () => clearInterval(look))
  })
}
