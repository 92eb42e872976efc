import { execFile } from 'node:child_process'
import { open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { ann, MiB, startHarness } from '../support/gateway.ts'
import { packPackages } from '../support/installed-package.ts'

/** A bare Node process has some 45 MiB. */
const LIMIT_MIB = 120

const program = `
  import { openAsBlob } from 'node:fs'
  import { createUploadClient } from 'smh-upload-client'
  const { GATEWAY: gateway, TOKEN: token } = process.env
  const client = createUploadClient({ gateway, getToken: () => token, cosScheme: 'http' })
  const { size, crc64 } = await client.upload(await openAsBlob('large.bin'), { path: 'large.bin' }).done
  console.log(JSON.stringify({ size, crc64, peakKiB: process.resourceUsage().maxRSS }))
`

test('the client uploads 1 GiB from Node in little memory', async () => {
  const harness = await startHarness()
  const packed = await packPackages()
  try {
    const project = await packed.client.installWith()
    // The file has no blocks on the disk, but every byte of it is read, sent and stored.
    const file = await open(join(project, 'large.bin'), 'w')
    await file.truncate(1024 * MiB)
    await file.close()
    await writeFile(join(project, 'upload.js'), program)
    const env = { GATEWAY: harness.gateway.url, TOKEN: await harness.issuer.token(ann) }
    const { stdout } = await promisify(execFile)(process.execPath, ['upload.js'], {
      cwd: project,
      env,
    })
    const { size, crc64, peakKiB } = JSON.parse(stdout)
    process.stdout.write(`the client with 1 GiB: ${Math.ceil(peakKiB / 1024)} MiB at the most\n`)
    expect(size).toBe(1024 * MiB)
    // What `xz --check=crc64` has of 1 GiB of zeros.
    expect(crc64).toBe('3534425600523290380')
    expect(peakKiB).toBeLessThan(LIMIT_MIB * 1024)
    expect(harness.emulator.controls.openTasks()).toEqual([])
  } finally {
    await packed.remove()
  }
})
