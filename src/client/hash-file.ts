import { fullHash } from './hashes.ts'

/** The part of `Worker` that the client uses. */
interface HashingWorker {
  postMessage(message: unknown): void
  terminate(): void
  addEventListener(type: string, listener: (event: { data?: { hash?: string } }) => void): void
}

/** Creates a worker from the `hash-worker` module. */
export type HashWorker = () => HashingWorker

/** Computes {@link fullHash} in a worker. Without one, or if it fails, in this thread. */
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

/** Resolves to undefined when the worker fails or cannot start. A content security policy may forbid it. */
function hashInWorker(
  source: Blob,
  hashWorker: HashWorker,
  signal: AbortSignal,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    let worker: HashingWorker | undefined
    function end(hash?: string) {
      worker?.terminate()
      signal.removeEventListener('abort', fail)
      resolve(hash)
    }
    const fail = () => end()
    signal.addEventListener('abort', fail)
    try {
      worker = hashWorker()
      worker.addEventListener('message', ({ data }) => end(data?.hash))
      worker.addEventListener('error', fail)
      worker.addEventListener('messageerror', fail)
      worker.postMessage({ file: source })
    } catch {
      end()
    }
  })
}
