#!/usr/bin/env -S node --disable-sigusr1
/** The package's command. A subcommand is loaded when it runs: the emulator needs no configuration. */
const HELP = `Upload gateway for Tencent Cloud Smart Media Hosting (SMH).

Usage: smh-upload-gateway [start]               run the gateway (the default)
       smh-upload-gateway emulator [OPTIONS]    run an emulator of SMH and COS
       smh-upload-gateway --help                show this text

"start" reads its configuration from environment variables, which .env.example describes.
"emulator --help" shows the emulator's options.
`

const [command = 'start', ...args] = process.argv.slice(2)
if (command === 'emulator') {
  const { runEmulator } = await import('../emulator/main.ts')
  await runEmulator(args)
} else if (command === 'start' && args.length === 0) {
  await import('../gateway/runtimes/node/main.ts')
} else if ([command, ...args].some((arg) => arg === '--help' || arg === '-h')) {
  process.stdout.write(HELP)
} else {
  const unknown =
    command === 'start' ? `argument of start: ${quoted(args[0])}` : `command: ${quoted(command)}`
  process.stderr.write(`smh-upload-gateway: unknown ${unknown}. See smh-upload-gateway --help.\n`)
  process.exitCode = 2
}

/** The argument as one line of printable ASCII, so that it cannot control the terminal. */
function quoted(text = ''): string {
  return JSON.stringify(text).replace(/[^ -~]/g, '?')
}
