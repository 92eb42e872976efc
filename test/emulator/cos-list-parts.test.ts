import { expect, test } from 'vitest'
import { listParts } from '../../src/emulator/cos-objects.ts'
import { signRequest } from '../../src/emulator/cos-signature.ts'
import type { Incoming } from '../../src/emulator/http-server.ts'
import type { State, Task } from '../../src/emulator/state.ts'
import { cosState } from '../support/cos-state.ts'

const KEY = '/smh0/5f0c.bin'
const NOW = 1_741_519_353

/** A state with an upload of the parts 1 to 3. SMH itself signs no list of parts. */
function stateWithParts(): State {
  const state = cosState(NOW * 1000)
  const numbered = [3, 1, 2].map((number) => {
    const blob = { file: '', size: number * 10, md5: `md5of${number}`, crc64: '0' }
    return [number, { number, blob, lastModified: NOW * 1000, receivedTimes: 1 }] as const
  })
  const task: Task = {
    confirmKey: 'c',
    kind: 'multipart',
    spaceId: '-',
    path: ['a.bin'],
    strategy: 'rename',
    ownerUserId: '',
    metaData: {},
    cosKey: KEY,
    uploadId: 'up<1>',
    createdAt: NOW * 1000,
    state: 'open',
    parts: new Map(numbered),
  }
  state.uploads.set(KEY, task)
  const notAfter = (NOW + 7200) * 1000
  const credential = { secretId: 'AKID', secretKey: 'k', securityToken: 't', cosKey: KEY, notAfter }
  state.credentials.set('AKID', credential)
  return state
}

function list(query: Record<string, string>): string {
  const pairs = Object.entries({ uploadId: 'up<1>', ...query })
  const signable = { method: 'get', path: KEY, query: pairs, headers: [] }
  const authorization = signRequest('AKID', 'k', `${NOW};${NOW + 60}`, signable)
  const request = {
    method: 'GET',
    query: new URLSearchParams(pairs),
    headers: { authorization, 'x-cos-security-token': 't' },
  }
  return String(listParts(stateWithParts(), request as unknown as Incoming, KEY).body)
}

const valuesOf = (xml: string, element: string) =>
  [...xml.matchAll(new RegExp(`<${element}>(.*)</${element}>`, 'g'))].map((match) => match[1])

test('parts are listed in order, page by page', () => {
  const first = list({ 'max-parts': '2' })
  expect(valuesOf(first, 'PartNumber')).toEqual(['1', '2'])
  expect(valuesOf(first, 'IsTruncated')).toEqual(['true'])
  expect(valuesOf(first, 'UploadId')).toEqual(['up&lt;1&gt;'])
  const marker = valuesOf(first, 'NextPartNumberMarker')[0] ?? ''
  const rest = list({ 'max-parts': '2', 'part-number-marker': marker })
  expect(valuesOf(rest, 'PartNumber')).toEqual(['3'])
  expect(valuesOf(rest, 'Size')).toEqual(['30'])
  expect(valuesOf(rest, 'ETag')).toEqual(['&quot;md5of3&quot;'])
  expect(valuesOf(rest, 'IsTruncated')).toEqual(['false'])
})

test('an unknown upload or an invalid number is rejected', () => {
  expect(() => list({ uploadId: 'other' })).toThrow('multipart upload does not exist')
  expect(() => list({ 'max-parts': 'many' })).toThrow('Invalid argument')
})
