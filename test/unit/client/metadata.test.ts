import { expect, test } from 'vitest'
import { metadataHeaders } from '../../../src/client/metadata.ts'

test.each([
  ['camera', 'camera'],
  ['a b; c="d" ~', 'a b; c="d" ~'],
  ['', ''],
  ['100%', '100%'],
  ['Zürich', 'Z%C3%BCrich'],
  ['假日 🏖', '%E5%81%87%E6%97%A5%20%F0%9F%8F%96'],
  [' ends ', '%20ends%20'],
  ['two\nlines', 'two%0Alines'],
])('metadataHeaders: %j is sent as %j', (value, expected) => {
  expect(metadataHeaders({ place: value })).toEqual({ 'x-smh-meta-place': expected })
})

test('metadataHeaders: ill-formed Unicode is rejected with the field name', () => {
  expect(() => metadataHeaders({ place: '\ud800' })).toThrow(
    expect.objectContaining({
      code: 'invalid_request',
      errors: [{ field: 'x-smh-meta-place', message: expect.any(String) }],
    }),
  )
})
