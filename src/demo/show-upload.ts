import { basename } from 'node:path'
import { createUploadClient, fileSize, type StoredFile } from '../client/index.ts'
import { MIB, partBytesFor } from '../client/parts.ts'
import { crc64Of, type LocalFile } from './local-file.ts'
import type { Demo } from './start-demo.ts'
import { complain, printable, say, sayOf, startBar } from './terminal.ts'

const PART_BYTES = 4 * MIB

const numbers = new Intl.NumberFormat('en-US')

interface Uploaded {
  size: number
  /** Of the local file, decimal. */
  crc64: string
  stored: StoredFile
}

export interface ShowOptions {
  /** Ends the upload. */
  signal: AbortSignal
  /** Whether the gateway's log goes to standard error meanwhile. */
  log: boolean
}

/**
 * Uploads one file as the demo's first user and tells a person about it.
 *
 * @returns whether it arrived whole. Rejects only when the signal ended it.
 */
export async function showUpload(
  demo: Demo,
  file: LocalFile,
  options: ShowOptions,
): Promise<boolean> {
  const startedAt = performance.now()
  try {
    const uploaded = await upload(demo, file, options)
    const whole = sayStored(demo, uploaded)
    const seconds = (performance.now() - startedAt) / 1000
    sayOf('Took', `${seconds.toFixed(1)} s, ${fileSize(uploaded.size / seconds)}/s`)
    return whole
  } catch (error) {
    options.signal.throwIfAborted()
    say()
    complain(`${printable(file.path)}: ${textOf(error)}`)
    return false
  }
}

/** By the client that browsers use as well. An upload that fails is aborted before this rejects. */
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
  const sayHow = (how: string) => say(`\n${printable(name)}: ${fileSize(size)} ${how}`)
  let bar: ReturnType<typeof startBar> | undefined
  const sending = client.upload(content, {
    path: name,
    signal,
    onConfirmKey() {
      sayHow(`in ${partsOf(size / partBytes)}`)
      bar = startBar(size, { log })
    },
    onProgress: ({ sentBytes }) => bar?.show(sentBytes),
  })
  const over = new AbortController()
  const checksum = crc64Of(path, AbortSignal.any([signal, over.signal]))
  try {
    const [stored, crc64] = await Promise.all([sending.done, checksum])
    if (!bar) sayHow('that SMH has already, nothing sent')
    return { size, crc64, stored }
  } catch (error) {
    await sending.abort()
    throw error
  } finally {
    over.abort()
    bar?.stop()
  }
}

/** Looks past the gateway at what SMH really keeps. */
function sayStored(demo: Demo, { size, crc64, stored }: Uploaded): boolean {
  const path = ['users', demo.users[0].sub, ...stored.path].join('/')
  const kept = demo.emulator.controls.files().find((each) => each.path.join('/') === path)
  if (!kept) {
    complain(`  SMH has no file ${printable(path)}.`)
    return false
  }
  const sameBytes = kept.crc64 === crc64 && stored.crc64 === crc64
  const sameSize = kept.size === size && stored.size === size
  sayOf('Stored as', printable(path))
  sayOf('For user', kept.userId)
  sayOf('Size', `${numbers.format(kept.size)} bytes, ${sameSize ? 'as' : 'UNLIKE'} the local file`)
  sayOf('CRC64', `${kept.crc64} stored`)
  sayOf('', `${crc64} local: ${sameBytes ? 'equal' : 'DIFFERENT'}`)
  return sameBytes && sameSize
}

function partsOf(count: number): string {
  return count <= 1 ? '1 part' : `${numbers.format(Math.ceil(count))} parts`
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
