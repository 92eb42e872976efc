import { type Body, type Meta, Uppy, type UppyFile } from '@uppy/core'
import Dashboard from '@uppy/dashboard'
import GoldenRetriever, { type GoldenRetrieverOptions } from '@uppy/golden-retriever'
import type { StoredFile } from '../client/client.ts'
import { SmhUpload } from '../uppy/uppy.ts'
import { readToken } from './demo-server.ts'
import { make } from './elements.ts'
import { inWords } from './words.ts'

const MIB = 1024 * 1024

/** Of the files to come back after a reload. Larger ones have to be chosen again. */
const kept = { name: 'kept', maxFileSize: 512 * MIB, maxTotalSize: 1024 * MIB }

type DemoFile = UppyFile<Meta, Body>

/** One of the two whom a visitor can be, with uploads of their own, which go on while the other is shown. */
export type Person = ReturnType<typeof createPerson>

export interface PersonOptions {
  name: string
  gatewayUrl: string
  /** Where the person's Dashboard goes. */
  target: HTMLElement
  onChange: () => void
  /** `instant`: SMH had the file already, and nothing was sent. */
  onStored: (file: StoredFile, instant: boolean) => void
}

/** What a live region is to say, and how it is meant. */
export interface Said {
  text: string
  kind: '' | 'good' | 'bad'
}

export function createPerson({ name, gatewayUrl, target, onChange, onStored }: PersonOptions) {
  const element = make('div', { hidden: true })
  target.append(element)
  /** What was said last of files that are no longer under way. */
  let said: Said = { text: 'Nothing is under way.', kind: '' }
  /** Those that were begun at SMH. */
  const begun = new Set<string>()
  /** What went wrong with the files that were tried together. */
  const faults = new Map<string, string>()

  const uppy = new Uppy<Meta, Body>({
    id: `demo-${name}`,
    restrictions: { minFileSize: 1 },
  })
    .use(Dashboard, {
      inline: true,
      target: element,
      width: '100%',
      height: 420,
      theme: 'auto',
      proudlyDisplayPoweredByUppy: false,
      fileManagerSelectionType: 'both',
      note: `For ${name}: any files or folders, of any size`,
    })
    .use(GoldenRetriever, { indexedDB: kept as GoldenRetrieverOptions['indexedDB'] & object })
    .use(SmhUpload, {
      gateway: gatewayUrl,
      getToken: () => readToken(name),
      cosScheme: 'http',
      partSize: MIB,
      // Whoever switches the network off sees what comes of it, however late it is switched on.
      retry: { attempts: 10_000, firstDelayMs: 250, longestDelayMs: 2_000 },
      hashWorker: () => new Worker('/hash-worker.js', { type: 'module' }),
    })

  listTheOnlyFile(element)

  const say = (text: string, kind: Said['kind'] = '') => {
    said = { text, kind }
    onChange()
  }
  uppy.on('state-update', (_before, { files }) => {
    for (const file of Object.values(files)) if (confirmKeyOf(file)) begun.add(file.id)
    onChange()
  })
  uppy.on('files-added', () => {
    const { newFiles } = uppy.getObjectOfFilesPerState()
    if (newFiles.length > 0) say(`${filesOf(newFiles.length)} chosen.`)
  })
  uppy.on('restored', () => {
    const files = uppy.getFiles()
    const lost = files.filter((file) => !file.isRemote && file.isGhost).map(({ name }) => name)
    if (lost.length > 0) {
      const them = lost.length === 1 ? 'it' : 'them'
      const were = lost.length === 1 ? 'was' : 'were'
      say(`${lost.join(', ')} ${were} not kept: choose ${them} again to go on.`)
    } else if (files.length > 0) {
      say(`${filesOf(files.length)} came back after the reload: go on when you like.`)
    }
  })
  uppy.on('upload-success', (file, { body }) => {
    const stored = body as unknown as StoredFile
    const instant = file !== undefined && !begun.has(file.id)
    const how = instant ? ' at once: SMH had these bytes already' : ''
    say(`Stored as ${stored.path.join('/')}${how}.`, 'good')
    onStored(stored, instant)
  })
  uppy.on('upload', () => faults.clear())
  uppy.on('upload-error', (file, error) => {
    faults.set(file?.id ?? '', `${file?.name}: ${inWords(error, name)}`)
    say([...faults.values()].join(' '), 'bad')
  })
  uppy.on('complete', () => {
    // Others may have been stored since.
    if (faults.size > 0) say([...faults.values()].join(' '), 'bad')
  })
  uppy.on('restriction-failed', (file, error) => {
    const isEmpty = file?.size === 0
    say(isEmpty ? `${file.name} is empty; an upload has at least one byte.` : error.message, 'bad')
  })
  uppy.on('file-removed', (file) => {
    if (!file.progress.uploadComplete) say(`Cancelled: nothing of ${file.name} is kept.`)
  })

  return {
    name,
    uppy,
    element,

    /** Those that can be gone on with elsewhere. */
    unfinished: () =>
      uppy.getFiles().filter((file) => confirmKeyOf(file) && !file.progress.uploadComplete),

    /** How far the uploads under way are, 0 to 100, if there are any. */
    underWay(): number | undefined {
      const { inProgressFiles } = uppy.getObjectOfFilesPerState()
      const alive = inProgressFiles.filter(({ error }) => !error)
      return alive.length > 0 ? uppy.getState().totalProgress : undefined
    },

    said(networkIsOff: boolean): Said {
      const percent = this.underWay()
      if (percent === undefined || uppy.getState().recoveredState) return said
      const text = (() => {
        if (uppy.getObjectOfFilesPerState().isAllPaused) return 'Paused.'
        if (networkIsOff)
          return 'The network is off: what is under way waits, and goes on by itself.'
        if (percent === 100) return 'All is sent: COS and the gateway have the last word.'
        // Said aloud by screen readers, so only now and then.
        const quarters = Math.floor(percent / 25)
        return quarters > 0 ? `Uploading, ${quarters * 25} % has been sent.` : 'Uploading.'
      })()
      return { text, kind: '' }
    },

    /** Goes on with an upload that was begun elsewhere. Throws when this file is in the list already. */
    goOn(file: File, confirmKey: string): void {
      const id = uppy.addFile({ name: file.name, type: file.type, data: file, source: 'handover' })
      uppy.setFileState(id, { smhUpload: { confirmKey } })
      // What went wrong is told by an event.
      uppy.upload().catch(() => {})
    },
  }
}

/** What the gateway calls the upload of this file, once it was begun. */
export function confirmKeyOf(file: DemoFile): string | undefined {
  return file.smhUpload?.confirmKey
}

/** Of one file alone, Uppy makes a list item without a list. */
function listTheOnlyFile(element: HTMLElement): void {
  const mend = () => element.querySelector('.uppy-Dashboard-files')?.setAttribute('role', 'list')
  new MutationObserver(mend).observe(element, { childList: true, subtree: true })
}

function filesOf(count: number): string {
  return count === 1 ? '1 file' : `${count} files`
}
