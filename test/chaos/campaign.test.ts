import { expect, test } from 'vitest'
import { runCampaign } from './campaign.ts'
import { planCampaign } from './plan.ts'

test('a short campaign: nothing lost, nothing twice, nothing foreign', {
  timeout: 120_000,
}, async () => {
  const { verdict, ledger, struck } = await runCampaign({ seed: 9, uploads: 30, users: 4 })
  expect(verdict.violations).toEqual([])
  // What nobody survives proves nothing.
  const stored = ledger.attempts.filter((attempt) => attempt.stored.length > 0)
  expect(stored.length).toBeGreaterThan(5)
  expect(ledger.strangers.get('404 upload_not_found')).toBeGreaterThan(3)
  for (const kind of [
    'fault',
    'kill',
    'lost confirm',
    'revoked tokens',
    'new issuer key',
  ] as const) {
    expect([kind, struck.get(kind) ?? 0]).not.toEqual([kind, 0])
  }
})

test('the same seed gives the same plan, another one another', () => {
  const options = { seed: 5, uploads: 50, users: 6 }
  const plan = JSON.stringify(planCampaign(options))
  expect(JSON.stringify(planCampaign(options))).toBe(plan)
  expect(JSON.stringify(planCampaign({ ...options, seed: 6 }))).not.toBe(plan)
})
