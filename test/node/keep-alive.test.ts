import { expect, test } from 'vitest'
import { startBench } from '../support/gateway.ts'

test('a token made elsewhere that cannot be renewed is told of before anybody asks for anything', async () => {
  const token = 'canary-of-a-token-that-nobody-minted'
  const bench = await startBench({
    environment: { SMH_ACCESS_TOKEN: token, CONFIRM_KEY_SECRETS: 'c'.repeat(32) },
  })
  const records = await bench.records()
  while (records.length === 0) await new Promise((resolve) => setImmediate(resolve))
  expect(records).toMatchObject([
    { level: 'warn', event: 'access token not renewed', smhCode: 'InvalidAccessToken' },
  ])
  expect(JSON.stringify(records)).not.toContain(token)
})
