import type { UploadCredentials } from '../../src/client/gateway-types.ts'
import { createUploadClient } from '../../src/client/index.ts'

/*
 * The uploads that are compared. They run in Node and in Chromium, with the same part size and the same number of
 * parallel requests.
 */

interface Target {
  gateway: string
  token: string
}

interface NamedBlob {
  name: string
  blob: Blob
}

/** Sends one part, as fast as the runtime can. */
type PutPart = (url: string, headers: Record<string, string>, body: Blob) => Promise<void>

/** One upload that has begun, and its file. */
interface Begun extends NamedBlob {
  credentials: UploadCredentials
}

/** As this project's client cuts a file of 1 GiB. */
const PART_BYTES = 8 * 1024 * 1024
const PARTS_AT_ONCE = 4
const FILES_AT_ONCE = 8

/** What a runtime provides. */
interface Means {
  put: PutPart
  sdkFor: (options: ReturnType<typeof sdkOptions>) => CosSdk
  /** What its SDK takes as the body of a part. */
  bodyOf: (file: NamedBlob, start: number, end: number) => unknown
}

/** Prepares the uploads of one way. Returns the function that does what is measured. */
export async function prepare(
  way: string,
  target: Target,
  files: readonly NamedBlob[],
  means: Means,
): Promise<() => Promise<void>> {
  switch (way) {
    case 'client':
      return () => uploadByClient(target, files)
    case 'limit': {
      const begun = await beginAll(target, files)
      return () => putAll(begun, means.put)
    }
    case 'plain':
      return () => uploadPlainly(target, files, means.put)
    case 'sdk':
      return () => uploadBySdk(target, files, means)
    default:
      throw new Error(`There is no way ${way}.`)
  }
}

/** The uploads of this project's client. Its user sees a file as stored, with its checksum compared. */
async function uploadByClient(target: Target, files: readonly NamedBlob[]): Promise<void> {
  const { gateway, token } = target
  const client = createUploadClient({
    gateway,
    getToken: () => token,
    cosScheme: 'http',
    // For many files as many parts as files, as the others send them.
    partsInParallel: files.length === 1 ? PARTS_AT_ONCE : FILES_AT_ONCE,
  })
  await inParallel(FILES_AT_ONCE, files, async ({ name, blob }) => {
    const { size } = await client.upload(blob, { path: name }).done
    if (size !== blob.size) throw new Error(`${name} is stored with ${size} bytes.`)
  })
}

/** Begins uploads through the gateway. */
async function beginAll(target: Target, files: readonly NamedBlob[]): Promise<Begun[]> {
  const begun: Begun[] = []
  await inParallel(FILES_AT_ONCE, files, async ({ name, blob }) => {
    const credentials = (await call(target, '', {
      path: name,
      size: blob.size,
    })) as UploadCredentials
    begun.push({ name, blob, credentials })
  })
  return begun
}

/** Completes an upload through the gateway. */
async function complete(target: Target, { credentials }: Begun): Promise<void> {
  await call(target, `/${credentials.confirmKey}/complete`, {})
}

async function call({ gateway, token }: Target, path: string, body: object): Promise<unknown> {
  const response = await fetch(`${gateway}/v1/uploads${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const answer: unknown = await response.json()
  if (!response.ok) throw new Error(`The gateway responded: ${JSON.stringify(answer)}`)
  return answer
}

/** The limit: plain parallel PUTs of the parts. Nothing begins, hashes, retries or completes. */
async function putAll(begun: readonly Begun[], put: PutPart): Promise<void> {
  const parts = begun.flatMap((upload) => partsOf(upload))
  const atOnce = begun.length === 1 ? PARTS_AT_ONCE : FILES_AT_ONCE
  await inParallel(atOnce, parts, ({ url, headers, body }) => put(url, headers, body))
}

/** What an upload cannot do without: begin, plain PUTs, complete. Nothing is checked or retried. */
function uploadPlainly(target: Target, files: readonly NamedBlob[], put: PutPart): Promise<void> {
  return uploadEach(target, files, (begun) =>
    inParallel(PARTS_AT_ONCE, partsOf(begun), ({ url, headers, body }) => put(url, headers, body)),
  )
}

/** Begins and completes each upload through the gateway. `send` sends its parts. */
async function uploadEach(
  target: Target,
  files: readonly NamedBlob[],
  send: (begun: Begun) => Promise<void>,
): Promise<void> {
  await inParallel(FILES_AT_ONCE, files, async (file) => {
    const [begun] = (await beginAll(target, [file])) as [Begun]
    await send(begun)
    await complete(target, begun)
  })
}

function partsOf({ blob, credentials }: Begun) {
  const { domain, path, uploadId, headers } = credentials
  return Array.from({ length: Math.ceil(blob.size / PART_BYTES) }, (_, index) => ({
    url: `http://${domain}${path}?uploadId=${encodeURIComponent(uploadId ?? '')}&partNumber=${index + 1}`,
    headers,
    body: blob.slice(index * PART_BYTES, (index + 1) * PART_BYTES),
  }))
}

/** The part of Tencent's COS SDKs for Node and browsers that is used here. */
export interface CosSdk {
  multipartUpload(parameters: object): Promise<unknown>
}

/** The options of both SDKs: the credentials of SMH instead of a secret of COS. */
function sdkOptions({ domain, headers }: UploadCredentials) {
  const header = (name: string) =>
    Object.entries(headers).find(([given]) => given.toLowerCase() === name)?.[1]
  return {
    Domain: domain,
    Protocol: 'http:',
    getAuthorization: (
      _: object,
      done: (result: { Authorization: string; SecurityToken: string }) => void,
    ) =>
      done({
        Authorization: header('authorization') ?? '',
        SecurityToken: header('x-cos-security-token') ?? '',
      }),
  }
}

/** The same uploads with Tencent's SDK for COS: it sends the parts, the gateway begins and completes. */
function uploadBySdk(
  target: Target,
  files: readonly NamedBlob[],
  { sdkFor, bodyOf }: Means,
): Promise<void> {
  return uploadEach(target, files, async ({ credentials, name, blob }) => {
    const sdk = sdkFor(sdkOptions(credentials))
    const starts = Array.from(
      { length: Math.ceil(blob.size / PART_BYTES) },
      (_, index) => index * PART_BYTES,
    )
    await inParallel(PARTS_AT_ONCE, starts, async (start) => {
      const end = Math.min(start + PART_BYTES, blob.size)
      await sdk.multipartUpload({
        Bucket: 'bench-1250000000',
        Region: 'ap-guangzhou',
        Key: credentials.path.slice(1),
        UploadId: credentials.uploadId,
        PartNumber: start / PART_BYTES + 1,
        ContentLength: end - start,
        Body: bodyOf({ name, blob }, start, end),
      })
    })
  })
}

async function inParallel<T>(
  atOnce: number,
  items: readonly T[],
  work: (item: T) => Promise<void>,
): Promise<void> {
  const waiting = items.values()
  const one = async () => {
    for (const item of waiting) await work(item)
  }
  await Promise.all(Array.from({ length: atOnce }, one))
}
