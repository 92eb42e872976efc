import { access, constants } from 'node:fs/promises'
import { chromium } from 'playwright-core'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    /** The endpoint of the browser that all tests share. */
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
    // An exception would hide the sentence between a stack and messages about missing test files.
    process.exit(1)
  })
  const server = await chromium.launchServer({
    executablePath,
    host: '127.0.0.1',
    // As root, Chromium starts only without its sandbox.
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
