import { describe, expect, test } from 'vitest'
import { checkDeclared } from '../../support/declared-responses.ts'
import { operations } from '../../support/published-document.ts'

const stored = {
  path: ['a.txt'],
  name: 'a.txt',
  type: 'file',
  contentType: 'text/plain',
  eTag: '"17"',
  creationTime: '2026-03-09T11:23:01.000Z',
  modificationTime: '2026-03-09T11:23:01.000Z',
  size: 5,
  crc64: '17',
}

const problem = {
  type: 'urn:smh-upload-gateway:problem:upload_not_found',
  title: 'Not Found',
  status: 404,
  detail: 'No such upload.',
  code: 'upload_not_found',
  requestId: '1',
}

/** A response of completeUpload. */
function check(status: number, body: unknown, type = 'application/json'): Promise<void> {
  const response = new Response(JSON.stringify(body), { status, headers: { 'content-type': type } })
  return checkDeclared('POST', '/v1/uploads/key/complete?a=b', response)
}

const checkProblem = (status: number, body: unknown) =>
  check(status, body, 'application/problem+json')

describe('check of declared responses: passes', () => {
  test.each([
    ['a success with all fields that are required', () => check(200, stored)],
    ['a problem with a declared code', () => checkProblem(404, problem)],
    [
      'a response without a body where none is declared',
      () => checkDeclared('DELETE', '/v1/uploads/key', new Response(null, { status: 204 })),
    ],
    [
      'any response at a path that the document does not have',
      () => checkDeclared('GET', '/elsewhere', new Response('x', { status: 418 })),
    ],
  ])('%s', async (_what, checked) => {
    await expect(checked()).resolves.toBeUndefined()
  })
})

describe('check of declared responses: fails on', () => {
  const { size: _, ...withoutSize } = stored
  const { code: __, ...withoutCode } = problem
  test.each([
    ['a field too many', () => check(200, { ...stored, extra: 1 }), /additional properties/],
    ['a field too few', () => check(200, withoutSize), /'size'/],
    ['a field of the wrong type', () => check(200, { ...stored, size: '5' }), /size must be/],
    ['an item of the wrong type', () => check(200, { ...stored, path: [1] }), /path\/0 must be/],
    ['an undeclared status', () => check(418, stored), /answered 418, a status/],
    ['another media type', () => check(200, stored, 'text/plain'), /as text\/plain/],
    [
      'a value outside an enumeration',
      () => checkDeclared('POST', '/v1/instant-uploads', Response.json({ outcome: 'other' })),
      /outcome must be equal to one of/,
    ],
    ['a problem field too many', () => checkProblem(404, { ...problem, hint: '' }), /additional/],
    ['a problem field too few', () => checkProblem(404, withoutCode), /'code'/],
    [
      'an item of a problem with a field too many',
      () => checkProblem(404, { ...problem, errors: [{ field: 'a', message: 'b', c: 1 }] }),
      /errors\/0/,
    ],
    [
      'a code that the operation does not declare',
      () => checkProblem(404, { ...problem, code: 'not_found' }),
      /with not_found, a code/,
    ],
    [
      'a code that the status does not declare',
      () => checkProblem(409, problem),
      /with upload_not_found, a code/,
    ],
  ])('%s', async (_what, checked, message) => {
    await expect(checked()).rejects.toThrow(message)
  })
})

describe('published request bodies', () => {
  const { allowsBody } = operations.find(({ id }) => id === 'beginUpload')!

  test.each<[what: string, body: unknown, allowed: boolean]>([
    ['the required fields are allowed', { path: 'a.txt', size: 5 }, true],
    ['a field too few is refused', { path: 'a.txt' }, false],
    ['a field too many is refused', { path: 'a.txt', size: 5, userId: 'bob' }, false],
    [
      'a field named __proto__ is refused',
      JSON.parse('{"path":"a","size":5,"__proto__":1}'),
      false,
    ],
    ['a wrong type is refused', { path: 'a.txt', size: '5' }, false],
    ['a path outside the pattern is refused', { path: 'a\\b', size: 5 }, false],
    ['a size below the minimum is refused', { path: 'a.txt', size: -1 }, false],
    ['an array is refused', [], false],
    [
      'a value outside an enumeration is refused',
      { path: 'a', size: 5, conflictResolutionStrategy: 'x' },
      false,
    ],
    [
      'a time without a date is refused',
      { path: 'a', size: 5, localCreationTime: '10:00 today' },
      false,
    ],
  ])('%s', (_what, body, allowed) => {
    expect(allowsBody(body)).toBe(allowed)
  })
})
