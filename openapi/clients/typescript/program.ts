import {
  type BeginUpload,
  Configuration,
  type InstantUpload,
  type Problem,
  ProblemFromJSON,
  ResponseError,
  type UploadCredentials,
  UploadsApi,
} from './client/index.js'

const env = process.env as Record<string, string>
const print = (line: string) => process.stdout.write(`${line}\n`)

async function begin(api: UploadsApi) {
  const beginUpload: BeginUpload = { path: 'typescript/movie.mp4', size: 3 * 1024 ** 3 }
  const response = await api.beginUploadRaw({ beginUpload })
  const credentials: UploadCredentials = await response.value()
  const uploadId: string = credentials.uploadId
  print(`begin.uploadId=${uploadId}`)
  print(`begin.confirmKey=${credentials.confirmKey}`)
  print(`begin.authorization=${credentials.headers.Authorization}`)
  print(`begin.location=${response.raw.headers.get('Location')}`)
  print(`begin.expires=${response.raw.headers.get('Upload-Expires')}`)
}

async function instant(api: UploadsApi) {
  const known: InstantUpload = {
    path: 'typescript/copy.bin',
    size: Number(env.KNOWN_SIZE),
    beginningHash: env.KNOWN_BEGINNING_HASH ?? '',
  }
  const first = await api.instantUpload({ instantUpload: known })
  const outcome: 'stored' | 'full_hash_required' | 'upload_required' = first.outcome
  print(`instant.first=${outcome}`)
  const fullHash = env.KNOWN_FULL_HASH ?? ''
  const second = await api.instantUpload({ instantUpload: { ...known, fullHash } })
  print(`instant.second=${second.outcome}`)
  print(`instant.size=${second.file?.size}`)
  const unknown = { ...known, beginningHash: '0'.repeat(64) }
  const third = await api.instantUpload({ instantUpload: unknown })
  print(`instant.third=${third.outcome}`)
  print(`instant.confirmKey=${third.credentials?.confirmKey}`)
}

async function problem(api: UploadsApi) {
  const beginUpload = { path: 'typescript/%2e%2e/movie.mp4', size: 1 }
  const error: unknown = await api.beginUpload({ beginUpload }).catch((error) => error)
  if (!(error instanceof ResponseError)) throw error
  const problem: Problem = ProblemFromJSON(await error.response.json())
  print(`problem.status=${problem.status}`)
  print(`problem.code=${problem.code}`)
  print(`problem.field=${problem.errors?.[0]?.field}`)
}

const api = new UploadsApi(
  new Configuration({ basePath: env.GATEWAY_URL ?? '', accessToken: env.TOKEN ?? '' }),
)
for (const step of [begin, instant, problem]) {
  await step(api).catch((error) => process.stderr.write(`${error?.stack}\n`))
}
