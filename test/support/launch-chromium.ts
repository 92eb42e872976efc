import { access, constants } from 'node:fs/promises'
import { chromium } from 'playwright-core'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    /** Where the one browser of this run takes connections. */
    browserEndpoint: string
  }
}

const executablePath = process.env.CHROMIUM_PATH || '/usr/bin/chromium'

/** Launches the browser that all tests of a run share. */
export default async function launchChromium(project: TestProject): Promise<() => Promise<void>> {
  await access(executablePath, constants.X_OK).catch(() => {
    process.stderr.write(
      `There is no Chromium at ${executablePath}: install it (Debian: apt-get install chromium) ` +
        'or set CHROMIUM_PATH to where it is.\n',
    )
    // Thrown, the sentence would drown in a stack and in talk of missing test files.
    process.exit(1)
  })
  const server = await chromium.launchServer({
    executablePath,
    host: '127.0.0.1',
    // As root Chromium starts without its sandbox only.
    chromiumSandbox: process.getuid?.() !== 0,
    // In the C locale Chromium cannot open a file whose name is not ASCII.
    env: { ...process.env, LC_ALL: 'C.UTF-8' } as Record<string, string>,
    args: [
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
      '--disable-quic',
    ],
  })
  project.provide('browserEndpoint', server.wsEndpoint())
  return () => server.close()
}
