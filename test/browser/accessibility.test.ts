import axe, { type AxeResults } from 'axe-core'
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import {
  chooseFile,
  fileOnDisk,
  press,
  says,
  startBrowserBench,
  visit,
} from '../support/browser.ts'
import { MiB, someBytes } from '../support/gateway.ts'

/** The grave faults that axe finds, each with where it is. */
async function graveFaults(page: Page): Promise<string[]> {
  // What fades in has another contrast on its way.
  await page.waitForFunction(() =>
    document.getAnimations().every(({ playState }) => playState !== 'running'),
  )
  const results = await page.evaluate<AxeResults>(`${axe.source}; axe.run()`)
  expect(results.passes.length).toBeGreaterThan(10)
  return results.violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id}: ${html}: ${failureSummary}`),
    )
}

const overflow = () => document.documentElement.scrollWidth - window.innerWidth

test.each([
  ['in light', { colorScheme: 'light' }],
  ['in dark', { colorScheme: 'dark' }],
  ['390 px wide', { viewport: { width: 390, height: 844 } }],
] as const)('axe finds no grave fault %s', async (_, options) => {
  const { page, newProfile, visitDemo, holdPartsAfter, partsReceived } =
    await startBrowserBench(options)
  await visitDemo()
  await says(page, 'Nothing is under way.')
  expect(await graveFaults(page)).toEqual([])

  const release = holdPartsAfter(2)
  const name = `${'a-long-name-'.repeat(10)}.mp4`
  await chooseFile(page, name, someBytes(5 * MiB))
  expect(await graveFaults(page)).toEqual([])
  await press(page, /^Upload 1 file/)
  await expect.poll(partsReceived).toHaveLength(2)
  await press(page, 'Pause')
  await says(page, 'Paused.')
  expect(await graveFaults(page)).toEqual([])
  expect(await page.evaluate(overflow)).toBeLessThanOrEqual(0)

  const other = await newProfile()
  await visit(other, await page.getByLabel(/^Link to go on/).inputValue())
  await other.getByRole('heading', { name: /^Choose a-long-name/ }).waitFor()
  expect(await graveFaults(other)).toEqual([])
  expect(await other.evaluate(overflow)).toBeLessThanOrEqual(0)

  release()
  await press(page, 'Resume')
  await says(page, /^Stored as/)
  await page.getByText(/equal to the local file's/).waitFor()
  await page.getByRole('button', { name: 'Done' }).waitFor()
  expect(await graveFaults(page)).toEqual([])
  expect(await page.evaluate(overflow)).toBeLessThanOrEqual(0)
})

/** What has the focus, by how it is called, and whether one can see it. */
function focused(page: Page) {
  return page.evaluate(() => {
    const element = document.activeElement as HTMLInputElement
    const shown = element.closest('#people label') ?? element
    const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(shown)
    const outlined = outlineStyle !== 'none' && Number.parseFloat(outlineWidth) >= 2
    const name =
      element.getAttribute('aria-label') ?? (element.labels?.[0] ?? element).textContent.trim()
    return outlined || boxShadow !== 'none' ? name : `${name}, invisibly`
  })
}

test('the keyboard alone will do, and the focus is seen', async () => {
  const bench = await startBrowserBench()
  const { page, ann, bob, controls } = bench
  const chooser = page.waitForEvent('filechooser')
  await bench.visitDemo()
  const key = async (name: string) => {
    await page.keyboard.press(name)
    return focused(page)
  }
  const keyTo = async (name: string | RegExp) => {
    const way: string[] = []
    while (way.length < 20) {
      const now = await key('Tab')
      way.push(now)
      if (now.match(name)) return
    }
    expect(way).toContain(name)
  }
  expect(await key('Tab')).toBe(ann)
  expect(await key('ArrowRight')).toBe(bob)
  expect(await page.getByRole('radio', { name: bob }).isChecked()).toBe(true)
  expect(await key('Tab')).toBe('browse files')

  bench.holdPartsAfter(2)
  await page.keyboard.press('Enter')
  await (await chooser).setFiles(await fileOnDisk('clip.mp4', someBytes(4 * MiB)))
  await page.getByRole('button', { name: 'Upload 1 file' }).waitFor()
  await keyTo(/^Upload 1 file$/)
  await page.keyboard.press('Enter')
  await expect.poll(bench.partsReceived).toHaveLength(2)
  expect(controls.openTasks()).toMatchObject([{ userId: bob }])

  // Uppy takes the focus along to what can be done next.
  await expect.poll(() => focused(page)).toBe('Pause')
  await page.keyboard.press('Space')
  await says(page, 'Paused.')
  expect(await focused(page)).toBe('Resume')
  await keyTo(/^Copy link/)
  await keyTo(/^Network off$/)
  await page.keyboard.press('Space')
  expect(await page.getByRole('switch', { name: 'Network off' }).isChecked()).toBe(true)
})
