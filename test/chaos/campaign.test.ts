import { expect, test } from 'vitest'
import { hasRedis } from '../support/redis-server.ts'
import { runCampaign } from './campaign.ts'
import { type Failure, planCampaign } from './plan.ts'

const FAILURES: Failure['kind'][] = [
  ...(['fault', 'kill', 'lost confirm', 'revoked tokens', 'new issuer key'] as const),
  // Without redis-server each gateway has a ledger of its own.
  ...(hasRedis ? (['Redis killed', 'Redis stopped'] as const) : []),
]

test('campaign: a short run loses no upload, stores no file twice and gives no user access to uploads of others', {
  timeout: 180_000,
}, async () => {
  const campaign = await runCampaign({ seed: 9, uploads: 30, users: 4 })
  const { verdict, journal, evidence, triggered, redis } = campaign
  expect(verdict.violations).toEqual([])
  // A campaign in which every upload fails proves nothing.
  const stored = journal.attempts.filter((attempt) => attempt.stored.length > 0)
  expect(stored.length).toBeGreaterThan(5)
  expect(journal.attackerResponses.get('404 upload_not_found')).toBeGreaterThan(3)
  for (const kind of FAILURES) expect([kind, triggered.get(kind) ?? 0]).not.toEqual([kind, 0])
  const { begins, lists } = evidence
  expect(begins.filter(({ method }) => method === 'simple').length).toBeGreaterThan(3)
  expect(begins.filter(({ requests }) => requests.length > 1).length).toBeGreaterThan(0)
  expect(lists.filter(({ uploads }) => uploads.length > 0).length).toBeGreaterThan(0)
  if (hasRedis) expect(redis?.inspections).toBeGreaterThan(1)
})

test('campaign: equal seeds give equal plans, different seeds different plans', () => {
  const options = { seed: 5, uploads: 50, users: 6 }
  const plan = JSON.stringify(planCampaign(options))
  expect(JSON.stringify(planCampaign(options))).toBe(plan)
  expect(JSON.stringify(planCampaign({ ...options, seed: 6 }))).not.toBe(plan)
})

test.each([7, 8, 9, 10])(
  'campaign: the plan of seed %i has every size, begin and failure',
  (seed) => {
    const { planned, scheduled } = planCampaign({ seed, uploads: 1000, users: 6 })
    const has = (wanted: (upload: (typeof planned)[number]) => boolean) => planned.some(wanted)
    expect(has(({ size }) => size === 0)).toBe(true)
    expect(has(({ behaviour }) => behaviour.kind === 'begin twice')).toBe(true)
    expect(has(({ behaviour }) => behaviour.kind === 'list')).toBe(true)
    const kinds = new Set(scheduled.map(({ kind }) => kind))
    expect([...kinds]).toEqual(expect.arrayContaining(['Redis killed', 'Redis stopped', 'kill']))
  },
)
