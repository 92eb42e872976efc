import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { clientTypes } from '../../../openapi/client-types.ts'
import { openApiDocument } from '../../../src/gateway/openapi.ts'

test("the client's types are those of the published contract (npm run openapi)", async () => {
  const file = new URL('../../../src/client/gateway-types.ts', import.meta.url)
  expect(await readFile(file, 'utf8')).toBe(await clientTypes(openApiDocument()))
})
