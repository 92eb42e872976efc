import { execFileSync } from 'node:child_process'
import { constants, openSync } from 'node:fs'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/**
 * A pipe for the output of a process. It is read when the test says so and not before. It ends with the
 * test.
 */
export async function openPipe() {
  const directory = await mkdtemp(join(tmpdir(), 'pipe-'))
  const path = join(directory, 'pipe')
  execFileSync('mkfifo', [path])
  // For reading as well: then opening does not wait for the other end.
  const held = await open(path, 'r+')
  onTestFinished(async () => {
    await held.close()
    await rm(directory, { recursive: true })
  })
  return {
    fd: held.fd,
    /** Reads up to the end of the first line that contains `words`. */
    async readUntil(words: string): Promise<string> {
      const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
      const reader = new Socket({ fd, readable: true, writable: false })
      onTestFinished(() => void reader.destroy())
      let text = ''
      for await (const chunk of reader.setEncoding('utf8')) {
        text += chunk
        const at = text.indexOf(words)
        if (at >= 0 && text.indexOf('\n', at) >= 0) break
      }
      return text
    },
  }
}
