import { execFile } from 'node:child_process'
import { open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { ann, MiB, startHarness } from '../support/harness.ts'
import { packPackages } from '../support/installed-package.ts'

/** A Node process without a program takes about 45 MiB. */
const LIMIT_MIB = 120

const program = `
  import { openAsBlob } from 'node:fs'
  import { createUploadClient } from 'smh-upload-client'
  const { GATEWAY: gateway, TOKEN: token } = process.env
  const client = createUploadClient({ gateway, getToken: () => token, cosScheme: 'http' })
  const { size, crc64 } = await client.upload(await openAsBlob('large.bin'), { path: 'large.bin' }).done
  console.log(JSON.stringify({ size, crc64, peakKiB: process.resourceUsage().maxRSS }))
`

test('client package: uploads 1 GiB from Node in at most 120 MiB of memory', async () => {
  const harness = await startHarness()
  const packed = await packPackages()
  try {
    const project = await packed.client.installWith()
    // A sparse file: it takes no disk space, but every byte is read, sent and stored.
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
    process.stdout.write(`the client with 1 GiB: ${Math.ceil(peakKiB / 1024)} MiB at most\n`)
    expect(size).toBe(1024 * MiB)
    // The CRC-64 that `xz --check=crc64` computes for 1 GiB of zeros.
    expect(crc64).toBe('3534425600523290380')
    expect(peakKiB).toBeLessThan(LIMIT_MIB * 1024)
    expect(harness.emulator.controls.openTasks()).toEqual([])
  } finally {
    await packed.remove()
  }
})
