import { expect, test } from 'vitest'
import { runCampaign } from './campaign.ts'
import { planCampaign } from './plan.ts'

test('campaign: a short run loses no upload, stores no file twice and gives no user access to uploads of others', {
  timeout: 120_000,
}, async () => {
  const { verdict, journal, triggered } = await runCampaign({ seed: 9, uploads: 30, users: 4 })
  expect(verdict.violations).toEqual([])
  // A campaign in which every upload fails proves nothing.
  const stored = journal.attempts.filter((attempt) => attempt.stored.length > 0)
  expect(stored.length).toBeGreaterThan(5)
  expect(journal.attackerResponses.get('404 upload_not_found')).toBeGreaterThan(3)
  for (const kind of [
    'fault',
    'kill',
    'lost confirm',
    'revoked tokens',
    'new issuer key',
  ] as const) {
    expect([kind, triggered.get(kind) ?? 0]).not.toEqual([kind, 0])
  }
})

test('campaign: equal seeds give equal plans, different seeds different plans', () => {
  const options = { seed: 5, uploads: 50, users: 6 }
  const plan = JSON.stringify(planCampaign(options))
  expect(JSON.stringify(planCampaign(options))).toBe(plan)
  expect(JSON.stringify(planCampaign({ ...options, seed: 6 }))).not.toBe(plan)
})
