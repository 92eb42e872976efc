import { parseArgs } from 'node:util'
import { type Emulator, type EmulatorOptions, startEmulator } from './start.ts'

const HELP = `Emulates Tencent Cloud SMH and COS on this machine.

Usage: smh-upload-gateway emulator [options]
       npm run emulator -- [options]    in the repository

  --host ADDRESS              address to listen on. Default: 127.0.0.1
  --smh-port N                port of SMH. 0 takes a free port. Default: 8790
  --cos-port N                port of COS, which receives the files. Default: 8791
  --admin-port N              port of the controls; see GET /__admin. Default: 8792
  --library-id ID             Default: smh0emulated
  --library-secret SECRET     Other users can see it in the process list: prefer the variable.
                              Default: random
  --multi-tenant              a library with several spaces. Default: only the space "-"
  --space ID                  an initial space; repeatable. Implies --multi-tenant
  --credential-ttl SECONDS    lifetime of COS credentials. Default: 7200
  --cors-origin ORIGIN        origin that the bucket's CORS rule allows; repeatable. Default: *
  --directory PATH            folder for the stored files. Default: a temporary folder
  --tls                       HTTPS for SMH and COS, with a new certificate. It needs the packages
                              @peculiar/x509 and reflect-metadata
  --tls-cert PATH             file for the certificate that clients must trust. Implies --tls.
                              Default: a file in the folder
  --help                      show this text

Environment variables for the same: EMULATOR_SMH_PORT, EMULATOR_COS_PORT,
EMULATOR_ADMIN_PORT, EMULATOR_LIBRARY_ID, EMULATOR_LIBRARY_SECRET. Options take precedence.
`

/** An invalid command line. Only its message is printed. */
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
    // `--space` implies `--multi-tenant`.
    multiTenant: values['multi-tenant'] ?? values.space !== undefined,
    ...(values.host !== undefined && { host: values.host }),
    ...(values.space && { spaces: values.space }),
    ...(values['cors-origin'] && { corsOrigins: values['cors-origin'] }),
    ...(values.directory !== undefined && { directory: values.directory }),
    // `--tls-cert` implies `--tls`.
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

function wholeNumber(name: string, text: string, max: number): number {
  const value = Number(text)
  if (!/^\d+$/.test(text) || value > max) {
    throw new UsageError(`${name} must be a whole number up to ${max}.`)
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

Press Ctrl-C to stop. The emulator then deletes all files.
`
}

const HTTP_CLIENT =
  "Clients must use HTTP for COS: set cosScheme: 'http', or send parts to http://{domain}{path}."

const trustOf = (path: string) => `Clients must trust this certificate: ${path}
  Node:  NODE_EXTRA_CA_CERTS=${path} in the environment, before it starts
  curl:  --cacert ${path}`

function printError(error: unknown): void {
  process.exitCode = 1
  if (error instanceof UsageError) {
    process.stderr.write(`${error.message} See --help.\n`)
    return
  }
  const { code, message, port: taken } = error as NodeJS.ErrnoException & { port?: number }
  if (code === undefined) throw error
  const texts: Record<string, string> = {
    EADDRINUSE: `Port ${taken} is in use. Choose other ports with --smh-port, --cos-port and --admin-port; 0 takes a free port.`,
    // Certificates alone need these packages, so they are optional.
    ERR_MODULE_NOT_FOUND: 'TLS needs two packages: npm install @peculiar/x509 reflect-metadata',
  }
  process.stderr.write(`${texts[code] ?? message}\n`)
}

/** Runs the emulator until SIGINT or SIGTERM. Prints errors, and sets the exit status. */
export async function runEmulator(args: string[]): Promise<void> {
  try {
    const options = readOptions(args, process.env)
    if (options === 'help') {
      process.stdout.write(HELP)
      return
    }
    const emulator = await startEmulator(options)
    const stop = () => void emulator.close()
    process.once('SIGINT', stop)
    process.once('SIGTERM', stop)
    process.stdout.write(welcome(emulator, options))
  } catch (error) {
    printError(error)
  }
}
