import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { clientTypes } from '../../../openapi/client-types.ts'
import { openApiDocument } from '../../../src/gateway/openapi.ts'

test('gateway-types.ts matches openapi.json (npm run openapi updates it)', async () => {
  const file = new URL('../../../src/client/gateway-types.ts', import.meta.url)
  expect(await readFile(file, 'utf8')).toBe(await clientTypes(openApiDocument()))
})
