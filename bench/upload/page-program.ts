/** Uploads the chosen files from a page once, in one of the ways. Returns the wall time, milliseconds. */
import COS from 'cos-js-sdk-v5'
import {
  beginAll,
  putAll,
  sdkOptions,
  uploadByClient,
  uploadBySdk,
  uploadPlainly,
} from './programs.ts'

async function uploadChosen(way: string, gateway: string, token: string): Promise<number> {
  const input = document.querySelector('input') as HTMLInputElement
  const files = [...(input.files ?? [])].map((blob) => ({ name: blob.name, blob }))
  const target = { gateway, token }
  const begun = way === 'limit' ? await beginAll(target, files) : []
  const startedAt = performance.now()
  if (way === 'client') await uploadByClient(target, files)
  else if (way === 'limit') await putAll(begun, put)
  else if (way === 'plain') await uploadPlainly(target, files, put)
  else {
    const sdkFor = (credentials: Parameters<typeof sdkOptions>[0]) =>
      new COS(sdkOptions(credentials))
    await uploadBySdk(target, files, sdkFor, ({ blob }, start, end) => blob.slice(start, end))
  }
  return performance.now() - startedAt
}

async function put(url: string, headers: Record<string, string>, body: Blob): Promise<void> {
  const response = await fetch(url, { method: 'PUT', headers, body })
  await response.arrayBuffer()
  if (!response.ok) throw new Error(`COS: ${response.status}`)
}

Object.assign(globalThis, { uploadChosen })
