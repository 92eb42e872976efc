import axe, { type AxeResults } from 'axe-core'
import { expect, test } from 'vitest'
import { openApiDocument } from '../../src/gateway/openapi.ts'
import { startBrowserHarness } from '../support/browser.ts'
import { offSite, watchTraffic } from '../support/watch-traffic.ts'

test('/docs: shows every operation and requests nothing from other origins', async () => {
  const { demo, page } = await startBrowserHarness()
  const traffic = await watchTraffic(page)
  await page.goto(`${demo.gatewayUrl}/docs`)
  const paths = openApiDocument().paths ?? {}
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  )
  expect(operations.length).toBeGreaterThan(5)
  const shown = await page.locator('.call').allInnerTexts()
  expect(shown.toSorted()).toEqual(operations.toSorted())

  await page
    .getByRole('navigation')
    .getByRole('link', { name: 'POST Begin an upload', exact: true })
    .click()
  const begin = page.getByRole('region', { name: 'Begin an upload', exact: true })
  expect(await begin.evaluate((section) => section.getBoundingClientRect().top)).toBeLessThan(100)
  const statuses = await begin.locator('.errors dt').allInnerTexts()
  const declared = Object.keys(paths['/v1/uploads']?.post?.responses ?? {})
  expect(statuses).toEqual(declared.filter((status) => status >= '400'))
  expect(traffic.written).toEqual([])
  expect(offSite(await traffic.exchanges())).toEqual([])
})

test.each([
  ['in light', { colorScheme: 'light', viewport: { width: 1280, height: 900 } }],
  ['in dark', { colorScheme: 'dark', viewport: { width: 1280, height: 900 } }],
  ['390 px wide', { viewport: { width: 390, height: 844 } }],
] as const)('the reference page %s: axe finds no fault, nothing overflows', async (_, options) => {
  const { demo, page } = await startBrowserHarness(options)
  await page.goto(`${demo.gatewayUrl}/docs`)
  // The page's policy forbids scripts. The debugger bypasses it.
  const { passes, violations } = await page.evaluate<AxeResults>(`${axe.source}; axe.run()`)
  expect(passes.length).toBeGreaterThan(10)
  expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([])
  const overflow = () => document.documentElement.scrollWidth - window.innerWidth
  expect(await page.evaluate(overflow)).toBeLessThanOrEqual(0)
})
