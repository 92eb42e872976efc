import { type Evidence, gatherEvidence } from './evidence.ts'
import { startFailures } from './failures.ts'
import type { Journal } from './journal.ts'
import { ledgerGapsOf } from './ledger-gaps.ts'
import { type CampaignOptions, type Failure, type PlannedUpload, planCampaign } from './plan.ts'
import { listAll, settle, tidy, untilShared } from './settle.ts'
import { performUpload } from './user.ts'
import { judge, type Verdict } from './verdict.ts'
import { startWorld, type World } from './world.ts'

/** Uploads of one user at the same time. */
const LANES = 3

/** Between two inspections of Redis. */
const INSPECT_EVERY_MS = 10_000

/** After this time without a response, something hangs. */
const STUCK_MS = 60_000

export interface Campaign {
  verdict: Verdict
  evidence: Evidence
  journal: Journal
  triggered: ReadonlyMap<Failure['kind'], number>
  tokenMode: string
  /** How often all of Redis was read, and how often a gateway did without it. Undefined without Redis. */
  redis: { inspections: number; gaps: number } | undefined
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
      redis: world.redis && {
        inspections: world.redis.inspections,
        gaps: world.gateways.flatMap(ledgerGapsOf).length,
      },
      tookMs: performance.now() - beganAt,
    }
  } catch (error) {
    const { incidents } = world.journal
    if (incidents.length === 0) throw error
    throw new Error(`Incidents: ${incidents.join('; ')}`, { cause: error })
  } finally {
    done.abort()
    await world.close()
    process.off('exit', destroy)
  }
}

async function run(world: World, onProgress: (ended: number) => void) {
  const { plan, journal, gateways, redis } = world
  const inspections = setInterval(() => {
    if (redis?.state === 'up') inspect(world).catch(() => {})
  }, INSPECT_EVERY_MS)
  inspections.unref()
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
  clearInterval(inspections)
  await untilShared(world)
  await listAll(world)
  await inspect(world)
  await inLanes(journal.attempts, (attempt) => settle(world, attempt))
  await listAll(world)
  await inLanes(plan.people, (user) => tidy(world, user))
  await inspect(world)
  // A gateway finishes the requests of users who have left before it ends.
  await Promise.all(gateways.map((gateway) => gateway.close()))
  return failures.triggered
}

/** Reads all of Redis. Its faults are incidents, once each. */
async function inspect({ redis, journal, redisSecrets }: World): Promise<void> {
  const found = (await redis?.inspect(redisSecrets())) ?? []
  journal.incidents.push(...found.filter((incident) => !journal.incidents.includes(incident)))
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
