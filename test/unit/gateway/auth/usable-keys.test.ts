import { exportJWK, generateKeyPair } from 'jose'
import { expect, test } from 'vitest'
import { MAX_KEYS } from '../../../../src/gateway/auth/jwks-client.ts'
import { usableKeys } from '../../../../src/gateway/auth/usable-keys.ts'

test('usable keys: a large set of unusable keys does not block other work', async () => {
  const { publicKey } = await generateKeyPair('ES256', { extractable: true })
  const good = { ...(await exportJWK(publicKey)), kid: 'good' }
  const junk = Array.from({ length: MAX_KEYS - 1 }, () => ({ ...good, kid: 'junk', x: good.y }))
  let isDone = false
  let turns = 0
  const checked = usableKeys([...junk, good], ['ES256']).finally(() => {
    isDone = true
  })
  while (!isDone) {
    turns += 1
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect((await checked).map(({ kid }) => kid)).toEqual(['good'])
  expect(turns).toBeGreaterThan(MAX_KEYS / 100)
})
