import axe, { type AxeResults } from 'axe-core'
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import {
  fileOnDisk,
  folderOnDisk,
  linkOf,
  press,
  says,
  simulateFailure,
  startBrowserHarness,
  uploadFile,
  uploadFolder,
  uploadFromDisk,
  visit,
} from '../support/browser.ts'
import { MiB, someBytes } from '../support/harness.ts'

/** The violations that axe finds, with their elements. */
async function faults(page: Page): Promise<string[]> {
  // Elements that fade in have a lower contrast during the animation.
  await page.waitForFunction(() =>
    document.getAnimations().every(({ playState }) => playState !== 'running'),
  )
  const results = await page.evaluate<AxeResults>(`${axe.source}; axe.run()`)
  expect(results.passes.length).toBeGreaterThan(10)
  return results.violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html}: ${failureSummary}`),
  )
}

const overflow = () => document.documentElement.scrollWidth - window.innerWidth

/** Controls that are less than 44 px high or wide. */
function smallTargets(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const targets = 'button, summary, input, label.button, #users label'
    return [...document.querySelectorAll<HTMLElement>(targets)]
      .filter((element) => element.checkVisibility())
      .map((element) => ({ element, box: element.getBoundingClientRect() }))
      .filter(({ box }) => box.width < 44 || box.height < 44)
      .map(({ element, box }) => `${element.outerHTML}: ${box.width} x ${box.height}`)
  })
}

async function expectFit(page: Page): Promise<void> {
  expect(await faults(page)).toEqual([])
  expect(await smallTargets(page)).toEqual([])
  expect(await page.evaluate(overflow)).toBeLessThanOrEqual(0)
}

const phone = { width: 390, height: 844 }
const desktop = { width: 1280, height: 800 }

test.each([
  ['light, 1280 px', { colorScheme: 'light', viewport: desktop }],
  ['dark, 1280 px', { colorScheme: 'dark', viewport: desktop }],
  ['light, 390 px', { colorScheme: 'light', viewport: phone }],
  ['dark, 390 px', { colorScheme: 'dark', viewport: phone }],
] as const)(
  'accessibility: axe finds no violation, controls have 44 px, nothing overflows: %s',
  async (_, options) => {
    const { page, newProfile, visitDemo, holdPartsAfter, partsReceived } =
      await startBrowserHarness(options)
    await visitDemo()
    await expectFit(page)

    const release = holdPartsAfter(2)
    const name = `${'a-long-name-'.repeat(10)}.mp4`
    await uploadFile(page, name, someBytes(5 * MiB))
    await expect.poll(partsReceived).toHaveLength(2)
    await says(page, name, 'Uploading')
    await expectFit(page)
    await simulateFailure(page, 'Network off')
    await says(page, name, 'The connection was lost.')
    await expectFit(page)
    await simulateFailure(page, 'Network off', false)
    await press(page, `Pause ${name}`)
    await says(page, name, 'Paused')
    await page.getByText('Continue on another device').click()
    await expectFit(page)

    const other = await newProfile()
    await visit(other, await linkOf(page, name))
    await other.getByRole('heading', { name: /^Choose a-long-name/ }).waitFor()
    await expectFit(other)

    release()
    await press(page, `Resume ${name}`)
    await says(page, name, 'Stored as')
    await uploadFile(page, 'a:b.txt', new Uint8Array())
    await says(page, 'a:b.txt', 'A name can have')
    await page.getByText('verified').waitFor()
    await page.getByText('Checksum').click()
    await expectFit(page)

    const files = { 'a:b.txt': someBytes(3), [`${'long-'.repeat(20)}.bin`]: someBytes(3 * MiB, 5) }
    const folder = await folderOnDisk('camera', files)
    const holdAgain = holdPartsAfter(1)
    await uploadFolder(page, folder)
    await page.getByText('1 file failed', { exact: true }).click()
    await expectFit(page)
    await page.reload()
    await page.getByText('Choose camera again').waitFor()
    await expectFit(page)
    const third = await newProfile()
    await visit(third, page.url())
    await third.getByRole('heading', { name: 'You have 1 unfinished upload' }).waitFor()
    await expectFit(third)
    holdAgain()
  },
)

test('accessibility: no animation with prefers-reduced-motion', async () => {
  const harness = await startBrowserHarness({ reducedMotion: 'reduce' })
  await harness.visitDemo()
  harness.holdPartsAfter(1)
  await uploadFile(harness.page, 'clip.mp4', someBytes(2 * MiB))
  await says(harness.page, 'clip.mp4', 'Uploading')
  const moving = await harness.page.evaluate(() =>
    [...document.querySelectorAll('*')].filter((element) => {
      const { transitionDuration, animationName } = getComputedStyle(element)
      return transitionDuration !== '0s' || animationName !== 'none'
    }),
  )
  expect(moving).toEqual([])
})

/** The accessible name of the focused element, and whether its focus is visible. */
function focused(page: Page) {
  return page.evaluate(() => {
    const element = document.activeElement as HTMLInputElement
    const shown = element.closest('#users label, .button') ?? element
    const { outlineStyle, outlineWidth } = getComputedStyle(shown)
    const isSeen = outlineStyle !== 'none' && Number.parseFloat(outlineWidth) >= 2
    const name =
      element.getAttribute('aria-label') ?? (element.labels?.[0] ?? element).textContent.trim()
    return isSeen ? name : `${name}, invisibly`
  })
}

test('accessibility: the keyboard reaches every control, with visible focus', async () => {
  const harness = await startBrowserHarness()
  const { page, boris, controls } = harness
  // The browser takes a moment to report its file chooser.
  const chooser = page.waitForEvent('filechooser')
  await harness.visitDemo()
  const key = async (name: string) => {
    await page.keyboard.press(name)
    return focused(page)
  }
  const keyTo = async (name: string) => {
    const way: string[] = []
    while (way.length < 20) {
      const now = await key('Tab')
      way.push(now)
      if (now === name) return
    }
    expect(way).toContain(name)
  }
  expect(await key('Tab')).toBe('Ada')
  expect(await key('ArrowRight')).toBe('Boris')
  expect(await page.getByRole('radio', { name: 'Boris' }).isChecked()).toBe(true)
  expect(await key('Tab')).toBe('Choose files')

  harness.holdPartsAfter(2)
  await page.keyboard.press('Enter')
  await (await chooser).setFiles(await fileOnDisk('clip.mp4', someBytes(4 * MiB)))
  await expect.poll(harness.partsReceived).toHaveLength(2)
  expect(controls.openTasks()).toMatchObject([{ userId: boris }])

  await keyTo('Pause clip.mp4')
  await page.keyboard.press('Space')
  await says(page, 'clip.mp4', 'Paused')
  // The button has a new label and keeps the focus.
  expect(await focused(page)).toBe('Resume clip.mp4')
  await keyTo('Continue on another device: clip.mp4')
  await page.keyboard.press('Enter')
  await keyTo('Copy link to continue clip.mp4')
  await keyTo('Simulate failures')
  await page.keyboard.press('Enter')
  await keyTo('Network off')
  await page.keyboard.press('Space')
  expect(await page.getByRole('switch', { name: 'Network off' }).isChecked()).toBe(true)
})

test('accessibility: removing a row moves the focus to the next row', async () => {
  const harness = await startBrowserHarness()
  const { page } = harness
  await harness.visitDemo()
  const files = ['one.txt', 'two.txt'].map((name, index) => fileOnDisk(name, someBytes(index + 1)))
  await uploadFromDisk(page, ...(await Promise.all(files)))
  await says(page, 'one.txt', 'Stored')
  await says(page, 'two.txt', 'Stored')
  await page.getByRole('button', { name: 'Remove one.txt' }).focus()
  await page.keyboard.press('Enter')
  await expect.poll(() => focused(page)).toBe('Remove two.txt')
  await page.keyboard.press('Enter')
  await expect.poll(() => focused(page)).toBe('Choose files')
})

test('accessibility: a screen reader reads each state once, with the file name', async () => {
  const harness = await startBrowserHarness()
  const { page } = harness
  await harness.visitDemo()
  const heard = await listen(page)
  const release = harness.holdPartsAfter(1)
  await uploadFile(page, 'clip.mp4', someBytes(3 * MiB))
  await expect.poll(harness.partsReceived).toHaveLength(1)
  await press(page, 'Pause clip.mp4')
  await says(page, 'clip.mp4', 'Paused')
  release()
  await press(page, 'Resume clip.mp4')
  await says(page, 'clip.mp4', 'Stored as clip.mp4')
  const texts = await heard()
  const count = (text: string) => texts.filter((each) => each === `clip.mp4: ${text}`).length
  expect([count('Paused'), count('Stored as clip.mp4')]).toEqual([1, 1])
  // Progress is visible but not read at every step.
  expect(texts.filter((text) => /MB|%/.test(text))).toEqual([])
})

/** Records live regions. Returns the function that reads the record. */
async function listen(page: Page): Promise<() => Promise<string[]>> {
  const listening = await page.evaluateHandle(() => {
    const heard: string[] = []
    const live = '[role=status], [role=alert], [aria-live]'
    new MutationObserver((records) => {
      const regions = records.map(({ target }) =>
        (target instanceof Element ? target : target.parentElement)?.closest(live),
      )
      for (const region of new Set(regions)) if (region?.textContent) heard.push(region.textContent)
    }).observe(document.body, { subtree: true, childList: true, characterData: true })
    return heard
  })
  return () => listening.jsonValue()
}
