/**
 * `npm run bundle:worker`: bundles the Worker as a deployment would. Takes a few seconds. Prints its size and what
 * makes it; exits 1 when it is too large or contains a module that does not belong in it.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { bundleWorker } from '../test/support/bundle-worker.ts'

/** Limit of the compressed size: every new isolate loads the bundle. */
const LIMIT_KIB = 90

/** Node modules that Workers provide with `nodejs_compat`. */
const providedModules = new Set(['node:buffer', 'node:crypto'])

/** The parts of esbuild's metafile that are checked. */
interface Metafile {
  inputs: Record<string, unknown>
  outputs: Record<
    string,
    { imports: { path: string }[]; inputs: Record<string, { bytesInOutput: number }> }
  >
}

const directory = await mkdtemp(join(tmpdir(), 'worker-bundle-'))
try {
  await bundleWorker(directory, '--metafile', join(directory, 'metafile.json'))
  const bundle = await readFile(join(directory, 'main.js'))
  const metafile: Metafile = JSON.parse(await readFile(join(directory, 'metafile.json'), 'utf8'))
  const gzipKiB = gzipSync(bundle).length / 1024
  const problems = [
    ...(gzipKiB > LIMIT_KIB ? [`has more than ${LIMIT_KIB} KiB`] : []),
    ...foreignInputs(metafile).map((input) => `contains ${input}`),
    ...outsideImports(metafile).map((path) => `imports ${path}`),
  ]
  const size = `${gzipKiB.toFixed(1)} KiB gzip, ${(bundle.length / 1024).toFixed(1)} KiB uncompressed`
  process.stdout.write(`Worker bundle: ${size}\n`)
  for (const [part, bytes] of partsOf(metafile)) {
    process.stdout.write(`${(bytes / 1024).toFixed(1).padStart(7)} KiB  ${part}\n`)
  }
  for (const problem of problems) process.stderr.write(`The Worker bundle ${problem}.\n`)
  process.exitCode = problems.length > 0 ? 1 : 0
} finally {
  await rm(directory, { recursive: true, force: true })
}

/** Modules of the Node runtime, of the demo, or of the generator of the OpenAPI document. */
function foreignInputs({ inputs }: Metafile): string[] {
  const foreign =
    /^src\/(gateway\/runtimes\/node|command|client|demo|emulator)\/|^src\/gateway\/openapi\.ts$|^test\/|zod-openapi|zod-to-openapi/
  return Object.keys(inputs).filter((input) => foreign.test(input))
}

/** Modules that the runtime does not provide, such as `node:fs`. */
function outsideImports({ outputs }: Metafile): string[] {
  const paths = Object.values(outputs).flatMap(({ imports }) => imports.map(({ path }) => path))
  return paths.filter((path) => !providedModules.has(path))
}

/** The packages and rooms of the bundle with their uncompressed bytes, largest first. */
function partsOf({ outputs }: Metafile): [part: string, bytes: number][] {
  const parts = new Map<string, number>()
  for (const { inputs } of Object.values(outputs)) {
    for (const [input, { bytesInOutput }] of Object.entries(inputs)) {
      const inPackage = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(input)?.[1]
      const part = inPackage ?? input.split('/').slice(0, 3).join('/')
      parts.set(part, (parts.get(part) ?? 0) + bytesInOutput)
    }
  }
  return [...parts].sort(([, one], [, other]) => other - one)
}
