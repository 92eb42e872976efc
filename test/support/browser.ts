import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { expect, inject, onTestFinished } from 'vitest'
import { startDemo } from '../../src/demo/start-demo.ts'
import type { RouteName } from '../../src/emulator/route-names.ts'

/** Longer than any test lasts. */
const FOR_EVER_MS = 3_600_000

/** The whole demo on free ports, and a fresh browser context to visit it with. All end with the test. */
export async function startBrowserBench(options: BrowserContextOptions = {}) {
  const { signal } = new AbortController()
  const demo = await startDemo({ log: () => {}, worker: false, signal, pagePort: 0 })
  onTestFinished(() => demo.close())
  const browser = await chromium.connect(inject('browserEndpoint'))
  onTestFinished(() => browser.close())
  const context = await browser.newContext(options)
  const page = await context.newPage()
  const { controls } = demo.emulator
  const [ann, bob] = demo.users

  /** Runs `act` when a call arrives, before it is answered. */
  function atCall(route: RouteName, act: (query: Record<string, string>) => void): void {
    controls.force(route, {
      match({ query }) {
        act(query)
        return false
      },
      times: Number.POSITIVE_INFINITY,
    })
  }

  return {
    demo,
    controls,
    context,
    page,
    /** Who the page takes the visitor for at first, and whom else. */
    ann: ann.sub,
    bob: bob.sub,
    visitDemo: () => page.goto(demo.pageUrl),
    atCall,
    /** COS lets all later parts wait, until the page gives them up. */
    holdPartsAfter(number: number) {
      controls.force('put-part', {
        delayMs: FOR_EVER_MS,
        times: Number.POSITIVE_INFINITY,
        match: ({ query }) => Number(query.partNumber) > number,
      })
    },
    /** The bytes that SMH holds at this path. */
    async storedBytes(path: string[]): Promise<Buffer> {
      return Buffer.from(await new Response(controls.readFile('-', path)).arrayBuffer())
    },
  }
}

/** Chooses a file with this content, as a visitor does in the dialogue that the input opens. */
export async function chooseFile(page: Page, name: string, content: Uint8Array): Promise<void> {
  await page.getByLabel('Choose a file').setInputFiles(await fileOnDisk(name, content))
}

/** A file until the end of the test. From disk Chromium takes it much faster than from memory. */
export async function fileOnDisk(name: string, content: Uint8Array): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'browser-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const file = join(folder, name)
  await writeFile(file, content)
  return file
}

/** Waits until the page says this. */
export async function says(page: Page, text: string | RegExp): Promise<void> {
  await page.getByRole('status').filter({ hasText: text }).waitFor()
}

/** Waits until the page shows so many parts as arrived. */
export async function showsArrived(page: Page, parts: number): Promise<void> {
  await expect.poll(() => page.locator('#parts .done').count()).toBe(parts)
}
