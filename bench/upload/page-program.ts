/** Uploads the chosen files from a page once, in one of the ways. Returns the wall time, milliseconds. */
import COS from 'cos-js-sdk-v5'
import { prepare } from './programs.ts'

async function uploadChosen(way: string, gateway: string, token: string): Promise<number> {
  const input = document.querySelector('input') as HTMLInputElement
  const files = [...(input.files ?? [])].map((blob) => ({ name: blob.name, blob }))
  const upload = await prepare(way, { gateway, token }, files, {
    put,
    sdkFor: (options) => new COS(options),
    bodyOf: ({ blob }, start, end) => blob.slice(start, end),
  })
  const startedAt = performance.now()
  await upload()
  return performance.now() - startedAt
}

async function put(url: string, headers: Record<string, string>, body: Blob): Promise<void> {
  const response = await fetch(url, { method: 'PUT', headers, body })
  await response.arrayBuffer()
  if (!response.ok) throw new Error(`COS: ${response.status}`)
}

Object.assign(globalThis, { uploadChosen })
