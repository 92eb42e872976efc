/**
 * The Node entry. It checks the version before any import: on an older Node undici does not load, and its
 * error does not name the version.
 */
const NEEDED = '22.19'

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
const [neededMajor = 0, neededMinor = 0] = NEEDED.split('.').map(Number)
if (major < neededMajor || (major === neededMajor && minor < neededMinor)) {
  process.stderr.write(
    `smh-upload-gateway needs Node ${NEEDED} or newer; this is Node ${process.versions.node}.\n`,
  )
  process.exit(1)
}
await import('./process.ts')
