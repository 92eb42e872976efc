import { judge, type Verdict } from './check.ts'
import { type Evidence, gatherEvidence } from './evidence.ts'
import type { Ledger } from './ledger.ts'
import { type Blow, type CampaignOptions, type PlannedUpload, planCampaign } from './plan.ts'
import { settle } from './settle.ts'
import { startStriking } from './strike.ts'
import { actOut } from './user.ts'
import { startWorld, type World } from './world.ts'

/** Uploads of one user at the same time. */
const LANES = 3

/** When nobody has asked anybody anything for so long, something hangs. */
const STUCK_MS = 60_000

export interface Campaign {
  verdict: Verdict
  evidence: Evidence
  ledger: Ledger
  struck: ReadonlyMap<Blow['kind'], number>
  tokenMode: string
  tookMs: number
}

export interface CampaignHooks {
  /** Ends the campaign without a verdict. */
  signal?: AbortSignal
  onProgress?: (ended: number) => void
}

/**
 * Has users upload while everything goes wrong, then asks whether all that they were told is true.
 * The plan follows from the seed; the order in which things happen only roughly does.
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
    const struck = await Promise.race([
      act(world, onProgress),
      endOf(signal),
      stuck(world, done.signal),
    ])
    const evidence = await gatherEvidence(world)
    return {
      verdict: judge(evidence),
      evidence,
      ledger: world.ledger,
      struck,
      tokenMode: plan.tokenMode,
      tookMs: performance.now() - beganAt,
    }
  } finally {
    done.abort()
    await world.close()
    process.off('exit', destroy)
  }
}

async function act(world: World, onProgress: (ended: number) => void) {
  const { plan, ledger, gateways } = world
  const striking = startStriking(world)
  let ended = 0
  async function upload(planned: PlannedUpload) {
    await actOut(world, planned)
    ended += 1
    onProgress(ended)
  }
  const queues = Map.groupBy(plan.planned, ({ user }) => user)
  await Promise.all([...queues.values()].map((queue) => inLanes(queue, upload)))
  await striking.end()
  await inLanes(ledger.attempts, (attempt) => settle(world, attempt))
  // What a gateway still does for somebody who has left is done when it has ended.
  await Promise.all(gateways.map((gateway) => gateway.close()))
  return striking.struck
}

async function inLanes<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = items.values()
  async function lane() {
    for (const item of left) await work(item)
  }
  await Promise.all(Array.from({ length: LANES }, lane))
}

function endOf(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    if (signal.aborted) reject(signal.reason)
  })
}

/** Rejects when something hangs; ends with `done`. */
function stuck(world: World, done: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const look = setInterval(() => {
      if (world.idleMs() > STUCK_MS) reject(new Error('Nothing happens any more.'))
    }, 1_000)
    done.addEventListener('abort', () => clearInterval(look))
  })
}
