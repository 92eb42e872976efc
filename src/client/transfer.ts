import { isExpiry, type PutPart } from './cos.ts'
import { combineCrc64 } from './crc64.ts'
import type { CredentialKeeper } from './credentials.ts'
import { hasCode, UploadError } from './errors.ts'
import type { UploadCredentials } from './gateway-types.ts'
import { type Part, partsAtOnce } from './parts.ts'
import type { Retrying } from './retry.ts'
import type { Semaphore } from './semaphore.ts'
import { checkReadable, crc64Of } from './source.ts'
import type { StartTask, Task } from './state.ts'

/** What sending parts takes, whichever upload they belong to. */
export interface TransferServices {
  putPart: PutPart
  retrying: Retrying
  /** Hosts of COS that have answered this client. */
  respondingHosts: ReadonlySet<string>
  partPermits: Semaphore
  /** What the app wants. */
  partsInParallel: number | undefined
  startTask: StartTask
}

export interface TransferOptions {
  source: Blob
  plan: readonly Part[]
  /** Numbers of the parts that are there already. */
  arrived: readonly number[]
  keeper: CredentialKeeper
  /** Whether the gateway can be reached now. */
  isGatewayReachable: (signal: AbortSignal) => Promise<boolean>
  /** Bytes that arrived or are on their way. */
  onProgress: (sentBytes: number) => void
}

/** Attempts of a part without a byte sent, after which the client checks whether it is blocked. */
const SUSPICIOUS_REFUSALS = 3

export type Transfer = ReturnType<typeof createTransfer>

/** Sends the parts of one file, and learns the file's checksum on the way. */
export function createTransfer(
  { putPart, respondingHosts, retrying, partPermits, partsInParallel, startTask }: TransferServices,
  { source, plan, arrived, keeper, isGatewayReachable, onProgress }: TransferOptions,
) {
  const there = new Set(arrived)
  /** Those of which COS told the right checksum. */
  const proven = new Set<number>()
  const checksums = new Map<number, bigint>()
  const onTheWay = new Map<number, number>()
  /** How often in a row a part failed before any byte went out. */
  const refused = new Map<number, number>()

  const bytesOf = ({ start, size }: Part) => source.slice(start, start + size)

  function report() {
    let bytes = 0
    for (const { number, size } of plan)
      bytes += there.has(number) ? size : (onTheWay.get(number) ?? 0)
    onProgress(bytes)
  }

  /** Sends what is not there; when the signal ends it, another call goes on from there. */
  async function send(signal: AbortSignal): Promise<void> {
    report()
    const failed = new AbortController()
    const either = AbortSignal.any([signal, failed.signal])
    const unread = plan.filter(({ number }) => there.has(number) && !checksums.has(number))
    const waiting = plan.filter(({ number }) => !there.has(number)).values()
    async function sendWaiting() {
      const task = startTask()
      try {
        for (const part of waiting) {
          const circumstances = { signal: either, progress: () => there.size, task }
          await retrying(() => sendPart(part, task, either), circumstances)
        }
      } finally {
        task.ends()
      }
    }
    async function readUnread() {
      for (const part of unread) checksums.set(part.number, await crc64Of(bytesOf(part), either))
    }
    const atOnce = partsInParallel ?? partsAtOnce(plan.length)
    const work = [readUnread(), ...Array.from({ length: atOnce }, sendWaiting)]
    try {
      await Promise.all(work)
    } catch (error) {
      failed.abort(error)
      await Promise.allSettled(work)
      throw error
    }
  }

  /** One attempt, or two where the first finds out that the credentials have ended. */
  function sendPart(part: Part, task: Task, signal: AbortSignal): Promise<void> {
    /** While credentials are renewed, no part moves. */
    async function renewed(renewal: Promise<UploadCredentials>) {
      task.waits({ reason: 'credentials' })
      const credentials = await renewal
      task.moves()
      return credentials
    }
    return partPermits.run(async () => {
      // The wait for the permit may have been long, so credentials are taken after it.
      const credentials = keeper.working() ?? (await renewed(keeper.renewed()))
      try {
        await putOnce(part, credentials, task, signal)
      } catch (error) {
        if (!(error instanceof UploadError && isExpiry(error))) throw error
        const fresh = keeper.insteadOf(credentials) ?? (await renewed(keeper.renewed()))
        await putOnce(part, fresh, task, signal)
      }
    }, signal)
  }

  async function putOnce(
    part: Part,
    credentials: UploadCredentials,
    task: Task,
    signal: AbortSignal,
  ) {
    const { number } = part
    const body = bytesOf(part)
    let moved = false
    function onSent(bytes: number) {
      moved = true
      task.moves()
      onTheWay.set(number, Math.min(bytes, part.size))
      report()
    }
    const [read, put] = await Promise.allSettled([
      checksums.get(number) ?? crc64Of(body, signal),
      putPart({ credentials, number, body, signal, onSent }),
    ])
    onTheWay.delete(number)
    if (read.status === 'rejected') throw read.reason
    checksums.set(number, read.value)
    if (put.status === 'rejected') {
      // A body that cannot be read looks like a network that does not work.
      if (hasCode(put.reason, 'network')) {
        await checkReadable(body, signal)
        if (!moved) await failIfBlocked(number, credentials.domain, signal)
      }
      report()
      throw put.reason
    }
    if (put.value !== undefined) {
      if (put.value !== read.value) {
        checksums.delete(number)
        throw new UploadError('cos', 'A part arrived other than it is.', { retryable: true })
      }
      proven.add(number)
    }
    there.add(number)
    report()
  }

  /**
   * A browser does not say why it refuses a request. But when no byte ever goes to COS and the gateway
   * answers twice meanwhile, the network is not the reason, and more attempts are of no use.
   */
  async function failIfBlocked(number: number, domain: string, signal: AbortSignal) {
    const times = (refused.get(number) ?? 0) + 1
    refused.set(number, times)
    if (times < SUSPICIOUS_REFUSALS || respondingHosts.has(domain)) return
    if (!(await isGatewayReachable(signal))) refused.delete(number)
    else if (times > SUSPICIOUS_REFUSALS) throw blockedAt(domain)
  }

  return {
    plan,
    send,
    /** Of the whole file; all parts have to be there. */
    crc64: () =>
      combineCrc64(plan.map(({ number, size }) => ({ size, crc64: checksums.get(number)! }))),
    /** The parts of which nobody knows that the right bytes arrived. */
    unproven: () => plan.map(({ number }) => number).filter((number) => !proven.has(number)),
    /** Has these parts read and sent again. */
    forget(numbers: readonly number[]) {
      for (const number of numbers) {
        for (const known of [there, proven, checksums]) known.delete(number)
      }
    },
  }
}

function blockedAt(domain: string): UploadError {
  const page = globalThis.location?.origin
  const rule = page ? `the CORS rule of this bucket does not allow PUT from ${page}, or ` : ''
  const message = `Requests to ${domain} fail at once, while the gateway answers. Likely ${rule}a content blocker or firewall is in between.`
  return new UploadError('blocked', message, { retryable: true })
}
