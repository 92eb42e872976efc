import axe, { type AxeResults } from 'axe-core'
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import {
  chooseFile,
  fileOnDisk,
  says,
  showsArrived,
  startBrowserBench,
} from '../support/browser.ts'
import { MiB, someBytes } from '../support/gateway.ts'

/** The grave faults that axe finds, each with where it is. */
async function graveFaults(page: Page): Promise<string[]> {
  const results = await page.evaluate<AxeResults>(`${axe.source}; axe.run()`)
  expect(results.passes.length).toBeGreaterThan(10)
  return results.violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target).join(' ')}`)
}

test.each([
  ['in light', { colorScheme: 'light' }],
  ['in dark', { colorScheme: 'dark' }],
  ['390 px wide', { viewport: { width: 390, height: 844 } }],
] as const)('axe finds no grave fault %s', async (_, options) => {
  const { page, controls, visitDemo, holdPartsAfter } = await startBrowserBench(options)
  await visitDemo()
  await says(page, 'Nothing is under way.')
  expect(await graveFaults(page)).toEqual([])

  holdPartsAfter(2)
  await chooseFile(page, `${'a-long-name-'.repeat(10)}.mp4`, someBytes(5 * MiB))
  await showsArrived(page, 2)
  expect(await graveFaults(page)).toEqual([])
  const overflow = () => document.documentElement.scrollWidth - window.innerWidth
  expect(await page.evaluate(overflow)).toBeLessThanOrEqual(0)

  await page.getByRole('button', { name: 'Pause' }).click()
  await says(page, 'Paused')
  controls.clearFaults()
  await page.getByRole('button', { name: 'Resume' }).click()
  await says(page, /^Stored as/)
  expect(await graveFaults(page)).toEqual([])
  expect(await page.evaluate(overflow)).toBeLessThanOrEqual(0)
})

/** What has the focus, by how it is called, and whether one can see it. */
function focused(page: Page) {
  return page.evaluate(() => {
    const element = document.activeElement as HTMLElement
    const { outlineStyle, outlineWidth } = getComputedStyle(element)
    const visible = outlineStyle !== 'none' && Number.parseFloat(outlineWidth) >= 2
    const name = element.id || (element.closest('label') ?? element).textContent.trim()
    return visible ? name : `${name}, invisibly`
  })
}

test('the keyboard alone will do, and the focus is seen', async () => {
  const { page, ann, bob, controls, visitDemo, holdPartsAfter } = await startBrowserBench()
  await visitDemo()
  await page.getByRole('radio', { name: ann }).waitFor()
  const press = async (key: string) => {
    await page.keyboard.press(key)
    return focused(page)
  }
  expect(await press('Tab')).toBe(ann)
  expect(await press('ArrowRight')).toBe(bob)
  expect(await page.getByRole('radio', { name: bob }).isChecked()).toBe(true)
  expect(await press('Tab')).toBe('file')

  holdPartsAfter(2)
  const chooser = page.waitForEvent('filechooser')
  await page.keyboard.press('Space')
  await (await chooser).setFiles(await fileOnDisk('clip.mp4', someBytes(4 * MiB)))
  await showsArrived(page, 2)
  expect(controls.openTasks()).toMatchObject([{ userId: bob }])

  expect(await press('Tab')).toBe('pause')
  await page.keyboard.press('Space')
  await says(page, 'Paused')
  expect(await focused(page)).toBe('pause')
  expect(await press('Tab')).toBe('renew')
  expect(await press('Tab')).toBe('abort')
  await page.keyboard.press('Enter')
  await says(page, /^Aborted/)
  expect(controls.openTasks()).toEqual([])
})
