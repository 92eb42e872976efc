/** Uploads the files of a folder from Node once, in one of the ways, and prints what that took. */
import { createReadStream, openAsBlob } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import COS from 'cos-nodejs-sdk-v5'
import { type CosSdk, prepare } from './programs.ts'

const { GATEWAY: gateway = '', TOKEN: token = '', WAY: way = '', FOLDER: folder = '' } = process.env
const names = await readdir(folder)
const files = await Promise.all(
  names.map(async (name) => ({ name, blob: await openAsBlob(join(folder, name)) })),
)
const upload = await prepare(way, { gateway, token }, files, {
  put,
  sdkFor: (options) => new COS(options as COS.COSOptions) as unknown as CosSdk,
  bodyOf: ({ name }, start, end) => createReadStream(join(folder, name), { start, end: end - 1 }),
})

const cpuBefore = process.cpuUsage()
const startedAt = performance.now()
await upload()
const wallMs = performance.now() - startedAt
const { user, system } = process.cpuUsage(cpuBefore)
const { maxRSS } = process.resourceUsage()
console.log(JSON.stringify({ wallMs, cpuMs: (user + system) / 1000, peakMiB: maxRSS / 1024 }))
process.exit()

/** A PUT with Node's own client, without a copy in between. */
function put(url: string, headers: Record<string, string>, body: Blob): Promise<void> {
  return new Promise((resolve, reject) => {
    const length = { 'content-length': String(body.size) }
    const sending = request(url, { method: 'PUT', headers: { ...headers, ...length } })
    sending.on('error', reject)
    sending.once('response', (response) => {
      response.resume()
      response.once('end', () =>
        response.statusCode === 200 ? resolve() : reject(new Error(`COS: ${response.statusCode}`)),
      )
    })
    void send()
    async function send() {
      for await (const chunk of body.stream()) {
        if (!sending.write(chunk)) await new Promise((next) => sending.once('drain', next))
      }
      sending.end()
    }
  })
}
