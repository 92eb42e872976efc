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

/** A file as the emulator holds it. */
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

/** An upload that was begun and neither confirmed nor cancelled. */
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

/** What tests and people may do behind SMH's back (docs/smh-protocol.md#14.6); times are in milliseconds. */
export interface EmulatorControls {
  /**
   * Drops all state, files, faults, calls and the variant. The library's id stays, and its secret is
   * that of the start again.
   */
  reset(): Promise<void>
  advanceClock(ms: number): void
  /** The next use of the token, or of every token, is 403 `InvalidAccessToken`. */
  expireToken(token?: string): void
  /**
   * Changes the library's secret. Tokens stay valid. With `keepOld` the secrets before stay valid as
   * well, until a change without it.
   */
  setLibrarySecret(secret: string, options?: { keepOld?: boolean }): void
  /** Ends the COS credentials of one task, or of all; renew and status mint new ones. */
  expireCredentials(confirmKey?: string): void
  /** How long credentials live that are minted from now on; null is as at the start. */
  setCredentialTtl(seconds: number | null): void
  /** While down, COS breaks every connection, those in use as well. */
  cosDown(isDown: boolean): void
  /** Every call received, oldest first. */
  calls(): RecordedCall[]
  /** Looks at every call received, oldest first, without copying it; in-process only. */
  eachCall(look: (call: Readonly<RecordedCall>) => void): void
  clearCalls(): void
  /** null takes the quota away. */
  setQuota(spaceId: string, bytes: number | null): void
  /** Gives the way to take the fault back. */
  force(route: RouteName, fault: Fault): () => void
  /**
   * Holds the next calls of a route until the hold is released, for races that tests decide. The
   * fault applies afterwards: `hold('confirm', { status: 500 })` answers 500 when it is released.
   * Throws when `at` does not fit the route.
   */
  hold(route: RouteName, fault: HeldFault): Hold
  /** Forgets all faults and releases all held calls. */
  clearFaults(): void
  /**
   * While refused, SMH takes no connection; calls under way get their answers. Afterwards it listens
   * where it did before.
   */
  refuseConnections(refused: boolean): Promise<void>
  /** Changes a byte of a part that COS holds already. */
  corruptPart(confirmKey: string, partNumber: number): Promise<void>
  /** The next successful confirms take effect, but their answers never arrive. */
  loseConfirmResponse(times?: number): void
  setVariant(variant: Partial<Variant>): void
  /** Adds fields to every successful SMH answer that is a JSON object. */
  addExtraReplyFields(fields: Record<string, unknown>): void
  files(spaceId?: string): StoredFile[]
  directories(spaceId?: string): string[][]
  openTasks(): OpenTask[]
  /** The stored bytes; in-process only. */
  readFile(spaceId: string, path: string[]): ReadableStream<Uint8Array>
}

/** Makes the controls of one emulator. */
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
      if (secret === '') throw new Error('A library has a secret.')
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
      if (!state.spaces.has(spaceId)) throw new Error(`There is no space ${spaceId}.`)
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
      if (!part) throw new Error(`There is no part ${partNumber}.`)
      // What has become a file was checked with the bytes it had.
      const isStill = () => task.state === 'open' && task.parts.get(partNumber) === part
      if (!(await blobStore.corrupt(part.blob, isStill)))
        throw new Error('The part is gone by now.')
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
      if (!space) throw new Error(`There is no space ${spaceId}.`)
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
  if (!task) throw new Error('There is no task with this confirm key.')
  return task
}
