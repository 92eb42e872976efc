import { Readable } from 'node:stream'
import type { BlobStore } from './blob-store.ts'
import type { Fault, Faults, HeldFault, Hold } from './faults.ts'
import { describedFields, fileFields } from './file-objects.ts'
import type { RecordedCall, Recorder } from './recorder.ts'
import type { RouteName } from './route-names.ts'
import { addQuota } from './smh-quotas.ts'
import { orderedParts } from './smh-tasks.ts'
import {
  type ConflictStrategy,
  type Description,
  resetState,
  type State,
  type Task,
  type Variant,
} from './state.ts'
import { directoriesUnder, filesUnder, findFile } from './tree.ts'

/** A stored file. */
interface StoredFile extends Description {
  spaceId: string
  path: string[]
  size: number
  crc64: string
  eTag: string
  contentType: string
  userId: string
  creationTime: string
  modificationTime: string
  metaData?: Record<string, string>
}

/** An upload that is neither confirmed nor cancelled. */
interface OpenTask {
  confirmKey: string
  kind: Task['kind']
  spaceId: string
  path: string[]
  userId: string
  strategy: ConflictStrategy
  uploadId?: string
  parts: { number: number; size: number; crc64: string; receivedTimes: number }[]
}

/** What tests and developers control besides the SMH API (docs/smh-protocol.md#14.6). */
export interface EmulatorControls {
  /**
   * Deletes all state, files, faults and calls. Restores the variant and the library's secret of the
   * start.
   */
  reset(): Promise<void>
  advanceClock(ms: number): void
  /** Expires a token, or all tokens: SMH answers 403 `InvalidAccessToken` from now on. */
  expireToken(token?: string): void
  /**
   * Changes the library's secret. Tokens stay valid. With `keepOld`, the previous secrets stay valid
   * until a change without `keepOld`.
   */
  setLibrarySecret(secret: string, options?: { keepOld?: boolean }): void
  /** Expires the COS credentials of one task, or of all tasks. Renew and status mint new ones. */
  expireCredentials(confirmKey?: string): void
  /** Sets the lifetime of credentials that are minted from now on. null restores that of the start. */
  setCredentialTtl(seconds: number | null): void
  /** While COS is down, it closes every connection, also those in use. */
  cosDown(isDown: boolean): void
  /** All received calls, oldest first. */
  calls(): RecordedCall[]
  /** Visits all received calls without a copy, oldest first. In-process only. */
  eachCall(look: (call: Readonly<RecordedCall>) => void): void
  clearCalls(): void
  /** null removes the quota. */
  setQuota(spaceId: string, bytes: number | null): void
  /** Returns a function that removes the fault. */
  force(route: RouteName, fault: Fault): () => void
  /**
   * Holds the next calls of a route until `release`, so that tests decide races. The fault applies
   * afterwards: `hold('confirm', { status: 500 })` answers 500 after `release`.
   *
   * @throws Error when the route has no such point
   */
  hold(route: RouteName, fault: HeldFault): Hold
  /** Removes all faults and releases all held calls. */
  clearFaults(): void
  /**
   * While refused, SMH accepts no connection, but calls in flight get their responses. Afterwards SMH
   * listens on the same port again.
   */
  refuseConnections(refused: boolean): Promise<void>
  /** Changes a byte of a stored part. */
  corruptPart(confirmKey: string, partNumber: number): Promise<void>
  /** The next successful confirms take effect, but their responses are lost. */
  loseConfirmResponse(times?: number): void
  setVariant(variant: Partial<Variant>): void
  /** Adds fields to every successful SMH response that is a JSON object. */
  addExtraReplyFields(fields: Record<string, unknown>): void
  files(spaceId?: string): StoredFile[]
  directories(spaceId?: string): string[][]
  openTasks(): OpenTask[]
  /** The stored bytes. In-process only. */
  readFile(spaceId: string, path: string[]): ReadableStream<Uint8Array>
}

/** Creates the controls of one emulator. */
export function createControls(
  state: State,
  blobStore: BlobStore,
  faults: Faults,
  recorder: Recorder,
  spaces: readonly string[],
  { cosDown, refuseConnections }: Pick<EmulatorControls, 'cosDown' | 'refuseConnections'>,
): EmulatorControls {
  const usualTtlMs = state.credentialTtlMs
  const usualSecrets = state.librarySecrets
  const chosen = (spaceId: string | undefined) =>
    [...state.spaces.values()].filter(({ id }) => spaceId === undefined || id === spaceId)

  return {
    async reset() {
      faults.clear()
      cosDown(false)
      state.credentialTtlMs = usualTtlMs
      state.librarySecrets = usualSecrets
      await refuseConnections(false)
      recorder.clear()
      resetState(state, { spaces })
      await blobStore.clear()
    },
    advanceClock(ms) {
      state.clockOffsetMs += ms
    },
    expireToken(value) {
      for (const token of state.tokens.values()) {
        if (value === undefined || token.value === value) token.expiresAt = state.now()
      }
    },
    setLibrarySecret(secret, { keepOld = false } = {}) {
      if (secret === '') throw new Error('The secret must not be empty.')
      state.librarySecrets = keepOld ? [secret, ...state.librarySecrets] : [secret]
    },
    expireCredentials(confirmKey) {
      const cosKey = confirmKey === undefined ? undefined : findTask(state, confirmKey).cosKey
      for (const credential of state.credentials.values()) {
        if (cosKey === undefined || credential.cosKey === cosKey) credential.notAfter = state.now()
      }
    },
    setCredentialTtl(seconds) {
      state.credentialTtlMs = seconds === null ? usualTtlMs : seconds * 1000
    },
    cosDown,
    calls: recorder.calls,
    eachCall: recorder.each,
    clearCalls: recorder.clear,
    setQuota(spaceId, capacity) {
      if (!state.spaces.has(spaceId)) throw new Error(`No such space: ${spaceId}.`)
      for (const [id, quota] of state.quotas) {
        if (quota.spaces.includes(spaceId)) state.quotas.delete(id)
      }
      if (capacity !== null) addQuota(state, [spaceId], capacity)
    },
    force: faults.force,
    hold: faults.hold,
    clearFaults: faults.clear,
    refuseConnections,
    async corruptPart(confirmKey, partNumber) {
      const task = findTask(state, confirmKey)
      const part = task.parts.get(partNumber)
      if (!part) throw new Error(`No such part: ${partNumber}.`)
      // A file keeps the bytes that its confirm has checked.
      const isStill = () => task.state === 'open' && task.parts.get(partNumber) === part
      if (!(await blobStore.corrupt(part.blob, isStill)))
        throw new Error('The part has been replaced or its upload has ended.')
    },
    loseConfirmResponse: (times = 1) => faults.loseConfirms(times),
    setVariant(variant) {
      state.variant = { ...state.variant, ...variant }
    },
    addExtraReplyFields(fields) {
      state.extraReplyFields = { ...state.extraReplyFields, ...fields }
    },
    files: (spaceId) =>
      chosen(spaceId).flatMap(({ id, root }) =>
        [...filesUnder(root, [])].map(({ node, path }) => ({
          spaceId: id,
          path,
          userId: node.userId,
          ...fileFields(node),
          ...describedFields(node),
          size: node.content.size,
        })),
      ),
    directories: (spaceId) =>
      chosen(spaceId).flatMap(({ root }) => [...directoriesUnder(root, [])]),
    openTasks: () =>
      [...state.tasks.values()].filter((task) => task.state === 'open').map(openTask),
    readFile(spaceId, path) {
      const space = state.spaces.get(spaceId)
      if (!space) throw new Error(`No such space: ${spaceId}.`)
      return webStream(blobStore, findFile(space, path).content.blobs)
    },
  }
}

function webStream(blobStore: BlobStore, blobs: Parameters<BlobStore['read']>[0]) {
  return Readable.toWeb(blobStore.read(blobs)) as unknown as ReadableStream<Uint8Array>
}

function openTask(task: Task): OpenTask {
  return {
    confirmKey: task.confirmKey,
    kind: task.kind,
    spaceId: task.spaceId,
    path: task.path,
    userId: task.ownerUserId,
    strategy: task.strategy,
    ...(task.kind === 'multipart' && { uploadId: task.uploadId }),
    parts: orderedParts(task).map(({ number, blob, receivedTimes }) => ({
      number,
      size: blob.size,
      crc64: blob.crc64,
      receivedTimes,
    })),
  }
}

function findTask(state: State, confirmKey: string): Task {
  const task = state.tasks.get(confirmKey)
  if (!task) throw new Error('No open or confirmed upload has this confirm key.')
  return task
}
