import { basename } from 'node:path'
import { FileFault } from './file-parts.ts'
import type { Demo } from './start-demo.ts'
import { complain, inUnits, printable, say, sayOf, startBar } from './terminal.ts'
import { type UploadedFile, uploadFile } from './upload-file.ts'

const numbers = new Intl.NumberFormat('en-US')

/**
 * Uploads one file as the demo's first user and tells a person about it.
 *
 * @returns whether it arrived whole. Rejects only when `signal` ended it.
 */
export async function showUpload(demo: Demo, file: string, signal: AbortSignal): Promise<boolean> {
  const name = basename(file)
  const [user] = demo.users
  const startedAt = performance.now()
  let bar: ReturnType<typeof startBar> | undefined
  let received: string[] = []
  try {
    const uploaded = await uploadFile({
      gatewayUrl: demo.gatewayUrl,
      token: () => demo.issuer.token(user),
      file,
      path: name,
      cosScheme: 'http',
      signal,
      onBegin(upload) {
        received = upload.received
        say()
        say(`${printable(name)}: ${inUnits(upload.size)} in ${partsOf(upload.parts)}`)
        bar = startBar(upload.size)
      },
      onProgress: (bytes) => bar?.show(bytes),
    })
    bar?.stop()
    sayOf('Received', `${received.join(', ')}: all that a browser gets to see`)
    const whole = sayStored(demo, uploaded)
    const seconds = (performance.now() - startedAt) / 1000
    sayOf('Took', `${seconds.toFixed(1)} s, ${inUnits(uploaded.size / seconds)}/s`)
    return whole
  } catch (error) {
    bar?.stop()
    signal.throwIfAborted()
    say()
    complain(`${printable(file)}${error instanceof FileFault ? ' ' : ': '}${textOf(error)}`)
    return false
  }
}

/** Looks past the gateway at what SMH really keeps. */
function sayStored(demo: Demo, { size, crc64, stored }: UploadedFile): boolean {
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
  return count === 1 ? '1 part' : `${numbers.format(count)} parts`
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
