import { fullHash } from './hashes.ts'

/** The part of a Web Worker that is needed. */
interface HashingWorker {
  postMessage(message: unknown): void
  terminate(): void
  addEventListener(type: string, listener: (event: { data?: { hash?: string } }) => void): void
}

/** Makes a worker from the `hash-worker` module. */
export type HashWorker = () => HashingWorker

/** {@link fullHash}, in a worker where there is one, or else here. */
export async function hashFile(
  source: Blob,
  hashWorker: HashWorker | undefined,
  signal: AbortSignal,
): Promise<string> {
  signal.throwIfAborted()
  const hash = hashWorker && (await hashInWorker(source, hashWorker, signal))
  signal.throwIfAborted()
  return hash ?? fullHash(source, signal)
}

/** Undefined when the worker could not be started (a policy may forbid it) or did not manage. */
function hashInWorker(
  source: Blob,
  hashWorker: HashWorker,
  signal: AbortSignal,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    let worker: HashingWorker | undefined
    function end(hash?: string) {
      worker?.terminate()
      signal.removeEventListener('abort', giveUp)
      resolve(hash)
    }
    const giveUp = () => end()
    signal.addEventListener('abort', giveUp)
    try {
      worker = hashWorker()
      worker.addEventListener('message', ({ data }) => end(data?.hash))
      worker.addEventListener('error', giveUp)
      worker.addEventListener('messageerror', giveUp)
      worker.postMessage({ file: source })
    } catch {
      end()
    }
  })
}
