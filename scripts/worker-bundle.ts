import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { bundleWorker } from '../test/support/bundle-worker.ts'

/**
 * `npm run bundle:worker`: bundles the Worker as it would be deployed, tells its size, and fails when
 * that is too much or when something is in it that has no place there.
 */

/** Every new isolate has to load it. */
const LIMIT_KIB = 98

/** What Workers have of Node by `nodejs_compat`, and we use. */
const ofWorkers = new Set(['node:buffer', 'node:crypto'])

/** Of esbuild's account of a build, what is looked at. */
interface Account {
  inputs: Record<string, unknown>
  outputs: Record<string, { imports: { path: string }[] }>
}

const directory = await mkdtemp(join(tmpdir(), 'worker-bundle-'))
try {
  await bundleWorker(directory, '--metafile', join(directory, 'account.json'))
  const bundle = await readFile(join(directory, 'main.js'))
  const account: Account = JSON.parse(await readFile(join(directory, 'account.json'), 'utf8'))
  const gzipKiB = gzipSync(bundle).length / 1024
  const faults = [
    ...(gzipKiB > LIMIT_KIB ? [`has more than ${LIMIT_KIB} KiB`] : []),
    ...foreignInputs(account).map((input) => `contains ${input}`),
    ...outsideImports(account).map((path) => `imports ${path}`),
  ]
  const size = `${gzipKiB.toFixed(1)} KiB gzip, ${(bundle.length / 1024).toFixed(1)} KiB as it is`
  process.stdout.write(`Worker bundle: ${size}\n`)
  for (const fault of faults) process.stderr.write(`The Worker bundle ${fault}.\n`)
  process.exitCode = faults.length > 0 ? 1 : 0
} finally {
  await rm(directory, { recursive: true, force: true })
}

/** What belongs to Node, to the demo or to the generation of the OpenAPI document. */
function foreignInputs({ inputs }: Account): string[] {
  const foreign =
    /^src\/(node|demo|emulator)\/|^src\/openapi\.ts$|^test\/|zod-openapi|zod-to-openapi/
  return Object.keys(inputs).filter((input) => foreign.test(input))
}

/** Other modules that the runtime would have to have, such as `node:fs`. */
function outsideImports({ outputs }: Account): string[] {
  const paths = Object.values(outputs).flatMap(({ imports }) => imports.map(({ path }) => path))
  return paths.filter((path) => !ofWorkers.has(path))
}
