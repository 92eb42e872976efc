import type { Gateway } from './api.ts'
import type { BeginResult, BeginServices } from './begin.ts'
import type { Stopwatch } from './clock.ts'
import { completeUpload } from './complete.ts'
import { keepCredentials } from './credentials.ts'
import { hasCode, UploadError } from './errors.ts'
import type { CompleteUpload, StoredFile } from './gateway-types.ts'
import { arrivedNumbers, cutIntoParts } from './parts.ts'
import { replaceSimple } from './simple.ts'
import { crc64Of } from './source.ts'
import { createStateKeeper, type StateKeeper } from './state.ts'
import { createTransfer, type TransferServices } from './transfer.ts'
import type { ResumeOptions, Upload, UploadState } from './types.ts'

export interface UploadServices extends BeginServices, TransferServices {
  /** The gateway for renewals, whose waits have the reason `credentials`. */
  renewal: Pick<Gateway, 'abort' | 'begin' | 'renew' | 'status'>
  now: Stopwatch
}

export interface StartOptions {
  source: Blob
  /** Known before the start when an upload is resumed. */
  confirmKey?: string
  /** Begins or resumes the upload. */
  start: (services: BeginServices, signal: AbortSignal) => Promise<BeginResult>
  /** Details of the file to send at completion. */
  details: Omit<CompleteUpload, 'crc64'>
  options: ResumeOptions
}

type Open = Extract<BeginResult, { kind: 'open' }>

/**
 * Runs one upload from its start to the stored file.
 *
 * @param servicesFor creates services that report to `states` what they wait for
 */
export function startUpload(
  servicesFor: (states: StateKeeper) => UploadServices,
  { source, confirmKey: known, start, details, options }: StartOptions,
): Upload {
  const life = new AbortController()
  let pausing = new AbortController()
  let wake = () => {}
  let confirmKey = known
  let stored = false
  /** The current key. Only a simple upload that begins again changes it. */
  const currentKey = () => confirmKey ?? ''

  /** Ends the upload when a callback throws. The runtime would ignore the error. */
  function endIfThrown(callback: () => void): void {
    try {
      callback()
    } catch (error) {
      life.abort(error)
    }
  }
  const report = (sentBytes: number) =>
    endIfThrown(() => options.onProgress?.({ sentBytes, totalBytes: source.size }))
  const reportState = (state: UploadState) => endIfThrown(() => options.onState?.(state))

  const states = createStateKeeper(reportState)
  const services = servicesFor(states)
  const { gateway, renewal } = services

  async function begin(): Promise<BeginResult> {
    // No callback may run before the app has received the upload.
    await null
    if (states.state.name === 'preparing') reportState(states.state)
    const started = await start(services, life.signal)
    if (started.kind !== 'stored') confirmKey = started.confirmKey
    return started
  }

  async function run(beginning: Promise<BeginResult>): Promise<StoredFile> {
    const started = await beginning
    life.signal.throwIfAborted()
    if (started.kind === 'stored') {
      report(source.size)
      return started.file
    }
    options.onConfirmKey?.(started.confirmKey)
    if (started.kind === 'confirmed') return storedFile(started.confirmKey)
    return sendAndComplete(started).catch(unlessStored)
  }

  async function sendAndComplete({ signed, partBytes, arrived, beginAgain }: Open) {
    const renew = () =>
      beginAgain
        ? replaced(beginAgain)
        : renewal.renew(currentKey(), options.trafficLimit, life.signal)
    const plan = cutIntoParts(source.size, partBytes)
    const transfer = createTransfer(services, {
      source,
      plan,
      arrived: arrivedNumbers(plan, arrived),
      keeper: keepCredentials(signed, renew, services.now),
      isGatewayReachable: (signal) => gateway.isReachable(currentKey(), signal),
      onProgress: report,
    })
    async function send() {
      states.enter('uploading')
      await unlessPaused((signal) => transfer.send(signal))
      states.enter('completing')
    }
    await send()
    const { signal } = life
    const complete = { gateway, confirmKey: currentKey, transfer, details, sendAgain: send, signal }
    return completeUpload(complete)
  }

  /**
   * Begins a simple upload again. Its confirm key changes. The status is first: an upload that another device has
   * begun again or aborted is gone, and a further begin would store the file twice.
   */
  function replaced(beginAgain: NonNullable<Open['beginAgain']>) {
    const open = renewal.status(currentKey(), life.signal)
    const again = open.then(() => replaceSimple(renewal, currentKey(), beginAgain))
    const work = again.then((signed) => {
      confirmKey = signed.credentials.confirmKey
      return signed
    })
    beginning = work
    return work.then((signed) => {
      life.signal.throwIfAborted()
      endIfThrown(() => options.onConfirmKey?.(currentKey()))
      return signed
    })
  }

  /** Returns the stored file if another client has completed the upload. Throws `error` otherwise. */
  async function unlessStored(error: unknown): Promise<StoredFile> {
    const isOver =
      hasCode(error, 'upload_complete') ||
      (hasCode(error, 'cos') && error.cosCode === 'NoSuchUpload')
    if (!isOver || !(await gateway.status(currentKey(), life.signal)).confirmed) throw error
    return storedFile(currentKey())
  }

  async function storedFile(confirmKey: string): Promise<StoredFile> {
    states.enter('completing')
    // The gateway compares the checksum, because another upload may have replaced the file.
    const crc64 = String(await crc64Of(source, life.signal))
    const file = await gateway.complete(confirmKey, { crc64 }, life.signal)
    report(source.size)
    return file
  }

  /** Does `work`, and starts it again after each pause. */
  async function unlessPaused(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    for (;;) {
      const { signal } = pausing
      try {
        if (!signal.aborted) return await work(AbortSignal.any([life.signal, signal]))
      } catch (error) {
        if (!signal.aborted) throw error
      }
      life.signal.throwIfAborted()
      await new Promise<void>((resolve) => {
        wake = resolve
        if (!pausing.signal.aborted || life.signal.aborted) resolve()
      })
      life.signal.throwIfAborted()
    }
  }

  const cancel = () => life.abort(new UploadError('aborted', 'The upload was aborted.'))
  if (options.signal?.aborted) cancel()
  const started = begin()
  let beginning: Promise<unknown> = started
  const done = Promise.race([run(started), rejectedBy(life.signal)])
    .then(
      (file) => {
        stored = true
        states.end({ name: 'stored', file })
        return file
      },
      (error) => {
        states.end(hasCode(error, 'aborted') ? { name: 'aborted' } : { name: 'failed', error })
        throw error
      },
    )
    .finally(() => options.signal?.removeEventListener('abort', abort))
  // Apps may ignore `done` of an aborted upload.
  done.catch(() => {})
  options.signal?.addEventListener('abort', abort)
  // A resumed upload whose signal is aborted already must be deleted too.
  if (options.signal?.aborted) void abort()

  async function abort(): Promise<void> {
    if (stored) return
    cancel()
    wake()
    // Only this client knows the confirm key of an upload that begin is creating.
    await beginning.catch(() => {})
    if (confirmKey !== undefined) await gateway.abort(confirmKey).catch(() => {})
  }

  return {
    done,
    get confirmKey() {
      return confirmKey
    },
    get state() {
      return states.state
    },
    get paused() {
      return pausing.signal.aborted
    },
    get aborted() {
      return life.signal.aborted
    },
    pause() {
      pausing.abort()
      states.pause(true)
    },
    resume() {
      if (!pausing.signal.aborted) return
      pausing = new AbortController()
      states.pause(false)
      wake()
    },
    abort,
  }
}

function rejectedBy(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}
