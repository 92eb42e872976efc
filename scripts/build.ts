/**
 * `npm run build`: compiles both packages, the server's modules into `dist` and the client's package into
 * `dist/client`. Takes a few seconds. Prints compiler errors only.
 */
import { execFileSync } from 'node:child_process'
import { copyFileSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const tsc = fileURLToPath(new URL('bin/tsc', import.meta.resolve('typescript/package.json')))
const inClient = { 'src/client/package.json': 'package.json', 'src/client/README.md': 'README.md' }

process.chdir(root)
rmSync('dist', { recursive: true, force: true })
for (const project of ['tsconfig.build.json', 'src/client/tsconfig.json']) {
  execFileSync(process.execPath, [tsc, '-p', project], { stdio: 'inherit' })
}
for (const [from, to] of Object.entries({ ...inClient, LICENSE: 'LICENSE' })) {
  copyFileSync(from, `dist/client/${to}`)
}
