import { createUploadClient, type UploadClient } from '../../src/client/index.ts'
import { MIB } from '../../src/client/parts.ts'
import { wait } from '../../src/client/wait.ts'
import type { Attempt } from './journal.ts'
import { sendRecorded } from './traffic.ts'
import type { World } from './world.ts'

/** Upper limit for waits between attempts, so that a campaign takes minutes. */
const LONGEST_WAIT_MS = 400

/** An open page of a user: its client works until the page closes. */
export interface Page {
  client: UploadClient
  /** Runs `act` when the page has sent this number of requests. */
  atRequest(count: number, act: () => void): void
  /** Cuts the requests in progress; none of the client's promises settles afterwards. */
  close(): void
}

const NEVER = new Promise<never>(() => {})

/** Opens a page of the user whose upload this is. */
export function openPage(
  world: World,
  attempt: Attempt,
  { gateway, partMib = 1 }: { gateway: 0 | 1; partMib?: number },
): Page {
  const closing = new AbortController()
  const acts = new Map<number, () => void>()
  let requests = 0

  const requestOrHang: typeof fetch = async (target, init) => {
    if (closing.signal.aborted) return NEVER
    const isBegin = String(target).match(/\/v1\/(instant-)?uploads$/) !== null
    const signal = AbortSignal.any([closing.signal, ...(init?.signal ? [init.signal] : [])])
    if (isBegin && String(init?.body).includes('"fullHash"')) attempt.instantBegins += 1
    const { traffic } = world.journal
    const sent = { ...init, signal }
    const answer = sendRecorded(traffic, attempt.wanted.user, attempt, String(target), sent)
    requests += 1
    acts.get(requests)?.()
    try {
      const response = await answer
      world.answered()
      if (isBegin && response.status >= 500) attempt.lostBegins += 1
      return response
    } catch (error) {
      if (isBegin) attempt.lostBegins += 1
      if (closing.signal.aborted) return NEVER
      throw error
    }
  }

  const client = createUploadClient({
    gateway: world.gateways[gateway].url,
    getToken: () => world.tokenOf(attempt.wanted.user),
    cosScheme: 'http',
    partSize: partMib * MIB,
    fetch: requestOrHang,
    retry: { firstDelayMs: 50, longestDelayMs: LONGEST_WAIT_MS },
    wait: (ms, signal) => wait(Math.min(ms, LONGEST_WAIT_MS), signal),
  })

  return {
    client,
    atRequest: (count, act) => void acts.set(count, act),
    close: () => closing.abort(),
  }
}
