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

/** What the transfers of all uploads share. */
export interface TransferServices {
  putPart: PutPart
  retrying: Retrying
  /** Hosts of COS that have responded to this client. */
  respondingHosts: ReadonlySet<string>
  partPermits: Semaphore
  /** The app's option `partsInParallel`. */
  partsInParallel: number | undefined
  startTask: StartTask
}

export interface TransferOptions {
  source: Blob
  plan: readonly Part[]
  /** Numbers of the parts that have arrived before. */
  arrived: readonly number[]
  keeper: CredentialKeeper
  /** Whether the gateway can be reached now. */
  isGatewayReachable: (signal: AbortSignal) => Promise<boolean>
  /** Receives the number of bytes that have arrived or are being sent. */
  onProgress: (sentBytes: number) => void
}

/** After this many attempts of a part without a byte sent, the client checks whether COS is blocked. */
const SUSPICIOUS_FAILURES = 3

export type Transfer = ReturnType<typeof createTransfer>

/** Creates the transfer of one file. It sends the parts and computes the file's checksum. */
export function createTransfer(
  { putPart, respondingHosts, retrying, partPermits, partsInParallel, startTask }: TransferServices,
  { source, plan, arrived, keeper, isGatewayReachable, onProgress }: TransferOptions,
) {
  const done = new Set(arrived)
  /** Parts whose checksum COS has confirmed. */
  const verified = new Set<number>()
  const checksums = new Map<number, bigint>()
  const inProgress = new Map<number, number>()
  /** How often in a row a part failed before a byte was sent. */
  const unsentFailures = new Map<number, number>()

  const bytesOf = ({ start, size }: Part) => source.slice(start, start + size)

  function report() {
    let bytes = 0
    for (const { number, size } of plan)
      bytes += done.has(number) ? size : (inProgress.get(number) ?? 0)
    onProgress(bytes)
  }

  /** Sends the missing parts. After the signal has ended it, another call continues. */
  async function send(signal: AbortSignal): Promise<void> {
    report()
    const failed = new AbortController()
    const either = AbortSignal.any([signal, failed.signal])
    const unread = plan.filter(({ number }) => done.has(number) && !checksums.has(number))
    const waiting = plan.filter(({ number }) => !done.has(number)).values()
    async function sendWaiting() {
      const task = startTask()
      try {
        for (const part of waiting) {
          const options = { signal: either, progress: () => done.size, task }
          await retrying(() => sendPart(part, task, either), options)
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

  /** Makes one attempt, or two when COS rejects the first because the credentials have expired. */
  function sendPart(part: Part, task: Task, signal: AbortSignal): Promise<void> {
    /** Shows in the upload's state that the part waits for a renewal. */
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
      inProgress.set(number, Math.min(bytes, part.size))
      report()
    }
    const [read, put] = await Promise.allSettled([
      checksums.get(number) ?? crc64Of(body, signal),
      putPart({ credentials, number, body, signal, onSent }),
    ])
    inProgress.delete(number)
    if (read.status === 'rejected') throw read.reason
    checksums.set(number, read.value)
    if (put.status === 'rejected') {
      // A file that is not readable causes a network error as well.
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
        throw new UploadError('cos', 'Checksum mismatch: the CRC-64 of a part differs.', {
          retryable: true,
        })
      }
      verified.add(number)
    }
    done.add(number)
    report()
  }

  /**
   * Browsers do not report why a request failed. If no byte reaches COS while the gateway responds twice,
   * the network is not the cause, and more attempts cannot help.
   */
  async function failIfBlocked(number: number, domain: string, signal: AbortSignal) {
    const times = (unsentFailures.get(number) ?? 0) + 1
    unsentFailures.set(number, times)
    if (times < SUSPICIOUS_FAILURES || respondingHosts.has(domain)) return
    if (!(await isGatewayReachable(signal))) unsentFailures.delete(number)
    else if (times > SUSPICIOUS_FAILURES) throw blockedAt(domain)
  }

  return {
    plan,
    send,
    /** The checksum of the whole file. All parts must have been read. */
    crc64: () =>
      combineCrc64(plan.map(({ number, size }) => ({ size, crc64: checksums.get(number)! }))),
    /** Numbers of the parts whose checksum COS has not confirmed. */
    unverified: () => plan.map(({ number }) => number).filter((number) => !verified.has(number)),
    /** Marks parts as missing, so that `send` reads and sends them again. */
    forget(numbers: readonly number[]) {
      for (const number of numbers) {
        for (const known of [done, verified, checksums]) known.delete(number)
      }
    },
  }
}

function blockedAt(domain: string): UploadError {
  const page = globalThis.location?.origin
  const rule = page ? `the CORS rule of this bucket does not allow PUT from ${page}, or ` : ''
  const message = `Requests to ${domain} fail at once while the gateway responds. Probably ${rule}a content blocker or firewall stops them.`
  return new UploadError('blocked', message, { retryable: true })
}
