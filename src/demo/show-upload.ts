import { basename } from 'node:path'
import { createUploadClient, fileSize, type StoredFile } from '../client/index.ts'
import { MIB, partBytesFor } from '../client/parts.ts'
import { crc64Of, type LocalFile } from './local-file.ts'
import type { Demo } from './start-demo.ts'
import { printable, say, sayError, sayField, startBar } from './terminal.ts'

const PART_BYTES = 4 * MIB

const numbers = new Intl.NumberFormat('en-US')

interface Uploaded {
  size: number
  /** CRC-64 of the local file, decimal. */
  crc64: string
  stored: StoredFile
}

export interface ShowOptions {
  /** Aborts the upload. */
  signal: AbortSignal
  /** Whether the gateway's log is written to standard error. */
  log: boolean
}

/**
 * Uploads one file as the demo's first user and prints the result.
 *
 * @returns whether the stored file equals the local one. Rejects only when the signal aborts.
 */
export async function showUpload(
  demo: Demo,
  file: LocalFile,
  options: ShowOptions,
): Promise<boolean> {
  const startedAt = performance.now()
  try {
    const uploaded = await upload(demo, file, options)
    const isIntact = sayStored(demo, uploaded)
    const seconds = (performance.now() - startedAt) / 1000
    sayField('Took', `${seconds.toFixed(1)} s, ${fileSize(uploaded.size / seconds)}/s`)
    return isIntact
  } catch (error) {
    options.signal.throwIfAborted()
    say()
    sayError(`${printable(file.path)}: ${textOf(error)}`)
    return false
  }
}

/** Uploads with the client that browsers use. Aborts the upload before it rejects. */
async function upload(
  demo: Demo,
  { path, content }: LocalFile,
  { signal, log }: ShowOptions,
): Promise<Uploaded> {
  const { size } = content
  const partBytes = partBytesFor(size, PART_BYTES)
  const client = createUploadClient({
    gateway: demo.gatewayUrl,
    getToken: () => demo.issuer.token(demo.users[0]),
    partSize: partBytes,
    cosScheme: 'http',
  })
  const name = basename(path)
  const sayFile = (how: string) => say(`\n${printable(name)}: ${fileSize(size)} ${how}`)
  let bar: ReturnType<typeof startBar> | undefined
  const sending = client.upload(content, {
    path: name,
    signal,
    onConfirmKey() {
      sayFile(`in ${partsOf(size / partBytes)}`)
      bar = startBar(size, { log })
    },
    onProgress: ({ sentBytes }) => bar?.show(sentBytes),
  })
  const finished = new AbortController()
  const checksum = crc64Of(path, AbortSignal.any([signal, finished.signal]))
  try {
    const [stored, crc64] = await Promise.all([sending.done, checksum])
    if (!bar) sayFile('already in SMH, nothing sent')
    return { size, crc64, stored }
  } catch (error) {
    await sending.abort()
    throw error
  } finally {
    finished.abort()
    bar?.stop()
  }
}

/** Prints what SMH stores, as the emulator reports it. Returns whether it equals the local file. */
function sayStored(demo: Demo, { size, crc64, stored }: Uploaded): boolean {
  const path = ['users', demo.users[0].sub, ...stored.path].join('/')
  const kept = demo.emulator.controls.files().find((each) => each.path.join('/') === path)
  if (!kept) {
    sayError(`  SMH has no file ${printable(path)}.`)
    return false
  }
  const sameBytes = kept.crc64 === crc64 && stored.crc64 === crc64
  const sameSize = kept.size === size && stored.size === size
  sayField('Stored as', printable(path))
  sayField('User', kept.userId)
  sayField(
    'Size',
    `${numbers.format(kept.size)} bytes, ${sameSize ? 'equal to' : 'DIFFERENT FROM'} the local file`,
  )
  sayField('CRC-64', `${kept.crc64} stored`)
  sayField('', `${crc64} local: ${sameBytes ? 'equal' : 'DIFFERENT'}`)
  return sameBytes && sameSize
}

function partsOf(count: number): string {
  return count <= 1 ? '1 part' : `${numbers.format(Math.ceil(count))} parts`
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
