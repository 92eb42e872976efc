import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type BrowserContextOptions, chromium, type Locator, type Page } from 'playwright-core'
import { expect, inject, onTestFinished } from 'vitest'
import { startDemo } from '../../src/demo/start-demo.ts'
import type { RouteName } from '../../src/emulator/route-names.ts'
import { someBytes } from './harness.ts'

/** Longer than any test. */
const HOLD_MS = 3_600_000

/** The client's part size for files up to 128 MiB. */
export const PART_BYTES = 1024 * 1024

/** Starts the demo on free ports, and a browser with a new profile. Both end with the test. */
export async function startBrowserHarness(options: BrowserContextOptions = {}) {
  const { signal } = new AbortController()
  const demo = await startDemo({ log: () => {}, worker: false, signal, pagePort: 0 })
  onTestFinished(() => demo.close())
  const browser = await chromium.connect(inject('browserEndpoint'))
  onTestFinished(() => browser.close())
  const { controls } = demo.emulator
  const [ada, boris] = demo.users

  /** Opens a page in a new browser profile, as on another device. */
  const newProfile = async () => (await browser.newContext(options)).newPage()
  const page = await newProfile()

  /** Runs `act` when a call arrives, before the emulator responds. */
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
    context: page.context(),
    page,
    newProfile,
    /** The IDs of the user that is signed in first, and of the other user. */
    ada: ada.sub,
    boris: boris.sub,
    visitDemo: () => visit(page, demo.pageUrl),
    atCall,
    /** Delays all parts after this number. Returns the function that ends the delay. */
    holdPartsAfter: (number: number) =>
      controls.force('put-part', {
        delayMs: HOLD_MS,
        times: Number.POSITIVE_INFINITY,
        match: ({ query }) => Number(query.partNumber) > number,
      }),
    /** The numbers of the parts that COS has accepted, in the order of arrival. */
    partsReceived: () =>
      controls
        .calls()
        .filter(({ route, status }) => route === 'put-part' && status === 200)
        .map(({ query }) => Number(query.partNumber)),
    /** The bytes that SMH holds at this path. */
    async storedBytes(path: string[]): Promise<Buffer> {
      return Buffer.from(await new Response(controls.readFile('-', path)).arrayBuffer())
    },
  }
}

/** Opens the page or one of its links, and waits until it is ready. */
export async function visit(page: Page, url: string): Promise<void> {
  await page.goto(url)
  await page.getByText('A reload keeps files').waitFor()
}

/** The row of a file. */
export function row(page: Page, name: string): Locator {
  const ofName = page.locator('.name').getByText(name, { exact: true })
  return page.locator('#rows').getByRole('listitem').filter({ has: ofName })
}

/** Uploads a new file with this content from the page. */
export async function uploadFile(page: Page, name: string, content: Uint8Array): Promise<void> {
  await uploadFromDisk(page, await fileOnDisk(name, content))
}

/** Uploads existing files from the page. */
export async function uploadFromDisk(page: Page, ...files: string[]): Promise<void> {
  await page.getByLabel('Choose files', { exact: true }).setInputFiles(files)
}

/** Starts an upload of five parts, and pauses it when COS has three of them. */
export async function startPausedUpload() {
  const harness = await startBrowserHarness()
  const { page } = harness
  await harness.visitDemo()
  const content = someBytes(5 * PART_BYTES)
  const file = await fileOnDisk('clip.mp4', content)
  const release = harness.holdPartsAfter(3)
  await uploadFromDisk(page, file)
  await expect.poll(harness.partsReceived).toHaveLength(3)
  await press(page, 'Pause clip.mp4')
  release()
  return { ...harness, content, file }
}

/** Presses a button. */
export async function press(page: Page, name: string): Promise<void> {
  await page.getByRole('button', { name, exact: true }).click()
}

/** Writes a file that exists until the end of the test. Chromium reads disk faster than test memory. */
export async function fileOnDisk(name: string, content: Uint8Array): Promise<string> {
  const file = join(await temporaryFolder(), name)
  await writeFile(file, content)
  return file
}

/** Writes a folder with these files. It exists until the end of the test. */
export async function folderOnDisk(
  name: string,
  files: Record<string, Uint8Array>,
): Promise<string> {
  const folder = join(await temporaryFolder(), name)
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), content)
  }
  return folder
}

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'browser-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  return folder
}

/** Uploads a folder from the page. */
export async function uploadFolder(page: Page, folder: string): Promise<void> {
  await page.getByLabel('Choose a folder', { exact: true }).setInputFiles(folder)
}

/** Waits until the row of a file shows this state. */
export async function says(page: Page, name: string, text: string | RegExp): Promise<void> {
  await row(page, name).getByRole('status').filter({ hasText: text }).waitFor()
}

/** Waits until the page shows this title above its files, and in the browser's tab. */
export async function hasTitle(page: Page, title: string): Promise<void> {
  await page.getByRole('heading', { name: title, exact: true }).waitFor()
  await expect.poll(() => page.title()).toContain(title)
}

/** The link by which another browser continues an upload. */
export function linkOf(page: Page, name: string): Promise<string> {
  return page.getByLabel(`Link to continue ${name}`, { exact: true }).inputValue()
}

/** Switches a simulated failure on or off. */
export async function simulateFailure(page: Page, name: string, isOn = true): Promise<void> {
  const failures = page.locator('details', { hasText: 'Simulate failures' })
  if ((await failures.getAttribute('open')) === null) {
    await page.getByText('Simulate failures').click()
  }
  await page.getByRole('switch', { name }).setChecked(isOn)
}

/** The value of the page's counter with this name. */
export async function counted(page: Page, name: string): Promise<number> {
  const count = page.locator('#counts div', { hasText: name }).locator('dd')
  return Number(await count.textContent())
}

/** What Golden Retriever has stored: the number of bytes of files, and its state as text. */
export function kept(page: Page): Promise<{ bytes: number; state: string }> {
  return page.evaluate(async () => {
    const settled = <Result>(request: IDBRequest<Result>) =>
      new Promise<Result>((resolve, reject) => {
        request.onsuccess = () => resolve(request.result)
        request.onerror = () => reject(request.error)
      })
    const database = await settled(indexedDB.open('uppy-blobs'))
    const read = database.transaction(['files', 'metadata'])
    const files = await settled<{ data: Blob }[]>(read.objectStore('files').getAll())
    const state = await settled(read.objectStore('metadata').getAll())
    database.close()
    const bytes = files.reduce((sum, { data }) => sum + data.size, 0)
    return { bytes, state: JSON.stringify(state) }
  })
}

/** Deletes the stored files, as a browser does when it needs space. */
export function forgetFiles(page: Page): Promise<void> {
  return page.evaluate(
    () =>
      new Promise((resolve, reject) => {
        const opening = indexedDB.open('uppy-blobs')
        opening.onsuccess = () => {
          const database = opening.result
          const change = database.transaction('files', 'readwrite')
          change.objectStore('files').clear()
          change.oncomplete = () => {
            database.close()
            resolve()
          }
          change.onerror = () => reject(change.error)
        }
      }),
  )
}
