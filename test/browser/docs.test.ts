import { expect, test } from 'vitest'
import { openApiDocument } from '../../src/openapi.ts'
import { startBrowserBench } from '../support/browser.ts'
import { offSite, watchTraffic } from '../support/watch-traffic.ts'

test('the reference page shows every operation and needs nothing from elsewhere', async () => {
  const { demo, page } = await startBrowserBench()
  const traffic = watchTraffic(page)
  await page.goto(`${demo.gatewayUrl}/docs`)
  const paths = openApiDocument().paths ?? {}
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  )
  expect(operations.length).toBeGreaterThan(5)
  const shown = () =>
    page.locator('.opblock-summary').evaluateAll((summaries) =>
      summaries.map((summary) => {
        const text = (of: string) => summary.querySelector(of)?.textContent?.trim()
        const path = summary.querySelector('[data-path]')?.getAttribute('data-path')
        return `${text('.opblock-summary-method')} ${path}`
      }),
    )
  await expect.poll(async () => (await shown()).toSorted()).toEqual(operations.toSorted())

  const begin = page.locator('.opblock', { has: page.locator('[data-path="/v1/uploads"]') })
  await begin.locator('.opblock-summary-control').click()
  const codes = () =>
    begin.locator('.response').evaluateAll((rows) => rows.map((row) => row.dataset.code))
  await expect.poll(codes).toEqual(Object.keys(paths['/v1/uploads']?.post?.responses ?? {}))
  expect(traffic.written).toEqual([])
  expect(offSite(await traffic.exchanges())).toEqual([])
})
