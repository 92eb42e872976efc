import { parseArgs } from 'node:util'
import { type Emulator, type EmulatorOptions, startEmulator } from './start.ts'

const HELP = `Stands in for Tencent Cloud SMH and COS, for people who build against them.

Usage: npm run emulator -- [options]

  --host ADDRESS              where to listen (127.0.0.1)
  --smh-port N                SMH, 0 for any free port (8790)
  --cos-port N                COS, which takes the bytes (8791)
  --admin-port N              controls for tests: see GET /__admin (8792)
  --library-id ID             (smh0emulated)
  --library-secret SECRET     (random); the variable keeps it out of the process list
  --multi-tenant              a library with spaces; without it the only space is "-"
  --space ID                  a space to start with, may be repeated
  --credential-ttl SECONDS    how long COS credentials live (7200)
  --cors-origin ORIGIN        allowed by the bucket's CORS rule, may be repeated (*)
  --directory PATH            where to keep bytes (a temporary folder)
  --tls                       SMH and COS by HTTPS, with a certificate made at start
  --tls-cert PATH             where to write what clients shall trust; means --tls
                              (a file in the folder)
  --help

Ports, id and secret are also read from EMULATOR_SMH_PORT, EMULATOR_COS_PORT,
EMULATOR_ADMIN_PORT, EMULATOR_LIBRARY_ID and EMULATOR_LIBRARY_SECRET; a flag wins.
`

/** A mistake on the command line; its message is all that the person needs to see. */
class UsageError extends Error {}

function readOptions(argv: string[], env: NodeJS.ProcessEnv): EmulatorOptions | 'help' {
  const { values } = parseArguments(argv)
  if (values.help) return 'help'
  const text = (flag: string | undefined, variable: string) => flag ?? env[variable]
  const libraryId = text(values['library-id'], 'EMULATOR_LIBRARY_ID')
  const librarySecret = text(values['library-secret'], 'EMULATOR_LIBRARY_SECRET')
  return {
    smhPort: port('--smh-port', text(values['smh-port'], 'EMULATOR_SMH_PORT') ?? '8790'),
    cosPort: port('--cos-port', text(values['cos-port'], 'EMULATOR_COS_PORT') ?? '8791'),
    adminPort: port('--admin-port', text(values['admin-port'], 'EMULATOR_ADMIN_PORT') ?? '8792'),
    // Naming spaces means a library that has them.
    multiTenant: values['multi-tenant'] ?? values.space !== undefined,
    ...(values.host !== undefined && { host: values.host }),
    ...(values.space && { spaces: values.space }),
    ...(values['cors-origin'] && { corsOrigins: values['cors-origin'] }),
    ...(values.directory !== undefined && { directory: values.directory }),
    // Naming the file means TLS.
    ...(values.tls && { tls: {} }),
    ...(values['tls-cert'] !== undefined && { tls: { certPath: values['tls-cert'] } }),
    ...(libraryId !== undefined && { libraryId }),
    ...(librarySecret !== undefined && { librarySecret }),
    ...(values['credential-ttl'] !== undefined && {
      credentialTtlSeconds: wholeNumber('--credential-ttl', values['credential-ttl'], 2 ** 31),
    }),
  }
}

function parseArguments(argv: string[]) {
  try {
    return parseArgs({
      args: argv,
      options: {
        host: { type: 'string' },
        'smh-port': { type: 'string' },
        'cos-port': { type: 'string' },
        'admin-port': { type: 'string' },
        'library-id': { type: 'string' },
        'library-secret': { type: 'string' },
        'multi-tenant': { type: 'boolean' },
        space: { type: 'string', multiple: true },
        'credential-ttl': { type: 'string' },
        'cors-origin': { type: 'string', multiple: true },
        directory: { type: 'string' },
        tls: { type: 'boolean' },
        'tls-cert': { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

const port = (name: string, text: string) => wholeNumber(name, text, 65_535)

function wholeNumber(name: string, text: string, most: number): number {
  const value = Number(text)
  if (!/^\d+$/.test(text) || value > most) {
    throw new UsageError(`${name} wants a whole number up to ${most}.`)
  }
  return value
}

function welcome(emulator: Emulator, options: EmulatorOptions): string {
  const { libraryId, librarySecret, smhUrl } = emulator
  const space = options.multiTenant ? (options.spaces?.[0] ?? '') : '-'
  const query = new URLSearchParams({
    library_id: libraryId,
    library_secret: librarySecret,
    ...(space !== '-' && space !== '' && { space_id: space }),
    user_id: 'u-1',
    grant: space === '' ? 'admin' : 'upload_file,create_directory',
  })
  return `SMH       ${smhUrl}
COS       ${emulator.cosUrl}
Controls  ${emulator.adminUrl}/__admin

A token:
  curl ${emulator.authority ? `--cacert ${emulator.authority.path} ` : ''}'${smhUrl}/api/v1/token?${query}'

For the gateway:
  SMH_LIBRARY_ID=${libraryId}
  SMH_LIBRARY_SECRET=${librarySecret}
  SMH_ENDPOINT=${smhUrl}
${space === '-' || space === '' ? '' : `  SMH_SPACE_ID=${space}\n`}
${emulator.authority ? trustOf(emulator.authority.path) : HTTP_CLIENT}

Ctrl-C stops it; whatever was uploaded is gone then.
`
}

const HTTP_CLIENT =
  "For the client: cosScheme: 'http'. Other clients put parts at http://{domain}{path}."

const trustOf = (path: string) => `Clients must trust this certificate: ${path}
  Node:  NODE_EXTRA_CA_CERTS=${path} in the environment, before it starts
  curl:  --cacert ${path}`

function complain(error: unknown): void {
  process.exitCode = 1
  if (error instanceof UsageError) {
    process.stderr.write(`${error.message} --help tells more.\n`)
    return
  }
  const { code, message, port: taken } = error as NodeJS.ErrnoException & { port?: number }
  if (code === undefined) throw error
  process.stderr.write(
    code === 'EADDRINUSE'
      ? `Port ${taken} is taken. Choose others with --smh-port, --cos-port and --admin-port; 0 takes any.\n`
      : `${message}\n`,
  )
}

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2), process.env)
  if (options === 'help') {
    process.stdout.write(HELP)
    return
  }
  const emulator = await startEmulator(options)
  const stop = () => void emulator.close()
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
  process.stdout.write(welcome(emulator, options))
}

main().catch(complain)
