import { expect } from 'vitest'
import type { ErrorCode, Problem } from '../../src/gateway/errors.ts'

/** Checks that `response` is this problem, whole and of the right media type. */
export async function expectProblem(
  response: Response,
  status: number,
  code: ErrorCode,
): Promise<Problem> {
  const text = await response.text()
  expect(`${response.status} ${text}`).toContain(`${status} {`)
  const problem = JSON.parse(text) as Problem
  expect(problem).toMatchObject({
    type: `urn:smh-upload-gateway:problem:${code}`,
    title: expect.stringMatching(/^[A-Z]/),
    status,
    detail: expect.stringMatching(/\.$/),
    code,
    requestId: response.headers.get('x-request-id'),
  })
  expect(response.headers.get('content-type')).toBe('application/problem+json')
  return problem
}

/** The problem's text without the one thing in which two equal ones differ. */
export async function withoutRequestId(response: Response): Promise<string> {
  const id = response.headers.get('x-request-id') ?? ''
  return `${response.status} ${(await response.text()).replace(id, '…')}`
}
