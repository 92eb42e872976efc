import { type Body, type Meta, Uppy, type UppyFile } from '@uppy/core'
import { describe, expect, test } from 'vitest'
import { SmhUpload, type SmhUploadOptions } from '../../src/client/uppy/index.ts'
import { ann, bob, type Harness, MiB, someBytes, startHarness } from '../support/harness.ts'
import { begun, sentNumbers, storedBytes } from '../support/upload-client.ts'

type AnyUppy = Uppy<Meta, Body>
type File = UppyFile<Meta, Body>
type Options = Partial<SmhUploadOptions<Meta, Body>>

/** Creates an Uppy without a page that uploads as ann in parts of 1 MiB. */
function uppyOf(harness: Harness, options: Options = {}) {
  const errors: unknown[] = []
  const uppy = new Uppy<Meta, Body>({ logger: { debug() {}, warn() {}, error() {} } })
  uppy.use(SmhUpload, {
    gateway: harness.gateway.url,
    getToken: () => harness.issuer.token(ann),
    cosScheme: 'http',
    partSize: MiB,
    clock: harness.clock,
    wait: async () => {},
    ...options,
  })
  uppy.on('upload-error', (_file, error) => errors.push(error))
  const add = (name: string, content: Uint8Array<ArrayBuffer> | string, meta = {}) =>
    uppy.addFile({ name, type: 'application/octet-stream', data: new Blob([content]), meta })
  return { uppy, add, errors }
}

/** Resolves to the next stored file. */
function nextSuccess(uppy: AnyUppy): Promise<File | undefined> {
  return new Promise((resolve) => uppy.once('upload-success', (file) => resolve(file)))
}

/** Resolves once more than `bytes` of the file have arrived. */
function progressBeyond(uppy: AnyUppy, id: string, bytes: number): Promise<void> {
  return new Promise((resolve) => {
    uppy.on('upload-progress', (file, { bytesUploaded }) => {
      if (file?.id === id && bytesUploaded > bytes) resolve()
    })
  })
}

const openTasks = (harness: Harness) => () => harness.emulator.controls.openTasks()

describe('SmhUpload: an upload', () => {
  test('stores the file and reports progress', async () => {
    const harness = await startHarness()
    const { uppy, add } = uppyOf(harness)
    const content = someBytes(3 * MiB + 7)
    const id = add('clip.mp4', content)
    const progress: number[] = []
    uppy.on('upload-progress', (_file, { bytesUploaded }) => progress.push(bytesUploaded))
    const { successful, failed } = (await uppy.upload()) ?? {}
    expect(failed).toEqual([])
    expect(successful?.map((file) => file.response)).toEqual([
      { status: 200, body: expect.objectContaining({ path: ['clip.mp4'], size: content.length }) },
    ])
    expect(uppy.getFile(id).progress).toMatchObject({ uploadComplete: true, percentage: 100 })
    expect(progress.at(0)).toBe(0)
    expect(progress.at(-1)).toBe(content.length)
    expect((await storedBytes(harness, 'clip.mp4')).equals(content)).toBe(true)
  })

  test('keeps the folders of a dropped file and its edited name', async () => {
    const harness = await startHarness()
    const { uppy, add } = uppyOf(harness)
    add('a.txt', 'a', { relativePath: 'holiday/2026/a.txt' })
    const id = add('b.txt', 'b', { relativePath: '/holiday/b.txt' })
    uppy.setFileMeta(id, { name: 'renamed.txt' })
    await uppy.upload()
    const paths = harness.emulator.controls.files().map(({ path }) => path.join('/'))
    expect(paths.toSorted()).toEqual([
      'users/ann/holiday/2026/a.txt',
      'users/ann/holiday/renamed.txt',
    ])
  })

  test('sends the details that the app sets', async () => {
    const harness = await startHarness()
    const { uppy, add } = uppyOf(harness, {
      uploadOptions: ({ name, meta }) => ({
        path: `inbox/${name}`,
        metadata: { origin: String(meta.origin) },
      }),
    })
    const id = add('a.txt', 'a', { origin: 'camera' })
    await uppy.upload()
    expect(uppy.getFile(id).response?.body).toMatchObject({
      path: ['inbox', 'a.txt'],
      metaData: { 'x-smh-meta-origin': 'camera' },
    })
  })

  test('calls the latest getToken', async () => {
    const harness = await startHarness()
    const { uppy, add } = uppyOf(harness)
    uppy.getPlugin<SmhUpload<Meta, Body>>('SmhUpload')?.setOptions({
      getToken: () => harness.issuer.token(bob),
    })
    add('a.txt', 'a')
    await uppy.upload()
    expect(harness.emulator.controls.files()).toMatchObject([{ path: ['users', 'bob', 'a.txt'] }])
  })

  test('fails with a reason, and a retry sends only the missing parts', async () => {
    const harness = await startHarness()
    const { uppy, add, errors } = uppyOf(harness, { retry: { attempts: 1 }, partsInParallel: 1 })
    harness.emulator.controls.force('put-part', {
      drop: 'before',
      match: ({ query }) => query.partNumber === '3',
    })
    const id = add('clip.mp4', someBytes(4 * MiB))
    await uppy.upload()
    expect(errors).toMatchObject([{ code: 'network' }])
    expect(uppy.getFile(id).error).toBeTruthy()

    const result = await uppy.retryUpload(id)
    expect(result?.failed).toEqual([])
    expect(begun(harness)).toBe(1)
    expect(sentNumbers(harness).filter((number) => number < 3)).toEqual([1, 2])
    expect(harness.emulator.controls.files()).toHaveLength(1)
  })

  test('of an empty file stores it', async () => {
    const harness = await startHarness()
    const { uppy, add } = uppyOf(harness)
    const id = add('empty.txt', '')
    await uppy.upload()
    expect(uppy.getFile(id)).toMatchObject({
      progress: { uploadComplete: true },
      response: { body: { path: ['empty.txt'], size: 0 } },
    })
  })

  test('reports its states, and fails with the message of the app', async () => {
    const harness = await startHarness()
    const { uppy, add, errors } = uppyOf(harness, {
      messages: { invalid_name: 'Falscher Name.' },
    })
    const states: string[] = []
    uppy.on('smh-upload-state', (file, { name }) => states.push(`${file.name} ${name}`))
    const id = add('a:b.txt', 'a')
    await uppy.upload()
    expect(errors).toMatchObject([{ code: 'invalid_request', message: 'Falscher Name.' }])
    uppy.removeFile(id)
    add('a.txt', 'a')
    await uppy.upload()
    expect(states).toEqual([
      'a:b.txt preparing',
      'a:b.txt failed',
      'a.txt preparing',
      'a.txt uploading',
      'a.txt completing',
      'a.txt stored',
    ])
  })

  test('of a file without its bytes fails with source_changed', async () => {
    const harness = await startHarness()
    const { uppy, add, errors } = uppyOf(harness)
    const id = add('a.txt', 'a')
    uppy.setFileState(id, { data: undefined, isGhost: true })
    await uppy.upload()
    expect(errors).toMatchObject([{ code: 'source_changed' }])
    expect(begun(harness)).toBe(0)
  })

  test('is not repeated for a stored file', async () => {
    const harness = await startHarness()
    const { uppy, add } = uppyOf(harness)
    add('a.txt', 'a')
    await uppy.upload()
    add('b.txt', 'b')
    await uppy.upload()
    expect(begun(harness)).toBe(2)
  })
})

describe('SmhUpload: resume', () => {
  test('uses the confirm key of the file and sends only the missing parts', async () => {
    const harness = await startHarness()
    const content = someBytes(4 * MiB)
    const credentials = await harness.begin({ path: 'a.bin', size: content.length })
    for (const number of [1, 3]) {
      await harness.putPart(credentials, number, content.slice((number - 1) * MiB, number * MiB))
    }
    const { uppy, add } = uppyOf(harness)
    const id = add('a.bin', content)
    uppy.setFileState(id, { smhUpload: { confirmKey: credentials.confirmKey } })
    await uppy.upload()
    expect(uppy.getFile(id).progress.uploadComplete).toBe(true)
    expect(begun(harness)).toBe(1)
    expect(sentNumbers(harness)).toEqual([1, 2, 3, 4])
  })

  test('offers an open upload with the same path and size', async () => {
    const harness = await startHarness()
    const content = someBytes(3 * MiB)
    const begin = (path: string) => harness.begin({ path, size: content.length })
    const wanted = await begin('a.bin')
    const declined = await begin('b.bin')
    await begin('c.bin')
    await harness.putPart(wanted, 1, content.slice(0, MiB))
    const offered: string[] = []
    const { uppy, add } = uppyOf(harness, {
      shouldResume(file, { confirmKey }) {
        offered.push(`${file.name} ${confirmKey}`)
        return file.name === 'a.bin'
      },
    })
    add('a.bin', content)
    add('b.bin', someBytes(3 * MiB, 2))
    add('c.bin', 'another size')
    expect((await uppy.upload())?.successful).toHaveLength(3)
    expect(offered.toSorted()).toEqual([
      `a.bin ${wanted.confirmKey}`,
      `b.bin ${declined.confirmKey}`,
    ])
    expect(sentNumbers(harness)).toEqual([1, 1, 2, 2, 3, 3])
    expect((await storedBytes(harness, 'a.bin')).equals(content)).toBe(true)
    const operations = (await harness.records()).map(({ operation }) => operation)
    expect(operations.filter((name) => name === 'listUploads')).toHaveLength(1)
  })

  test('does not offer the upload of another file of this page', async () => {
    const harness = await startHarness()
    const { uppy, add } = uppyOf(harness, { shouldResume: () => true, filesInParallel: 1 })
    const content = someBytes(2 * MiB)
    const { confirmKey } = await harness.begin({ path: 'a.bin', size: content.length })
    const first = add('a.bin', content)
    uppy.setFileState(first, { smhUpload: { confirmKey } })
    add('a.bin', content, { relativePath: '/a.bin' })
    expect((await uppy.upload())?.successful).toHaveLength(2)
    expect(harness.emulator.controls.files()).toHaveLength(2)
  })

  test('of one open upload is for one of two files with its path and size', async () => {
    const harness = await startHarness()
    const content = someBytes(2 * MiB)
    await harness.begin({ path: 'a.bin', size: content.length })
    const { uppy, add } = uppyOf(harness, { shouldResume: () => true })
    add('a.bin', content)
    add('a.bin', content, { relativePath: '/a.bin' })
    expect((await uppy.upload())?.successful).toHaveLength(2)
    expect(begun(harness)).toBe(2)
    expect(harness.emulator.controls.files()).toHaveLength(2)
  })

  test('begins another upload when the open uploads cannot be listed', async () => {
    const harness = await startHarness()
    const failing: typeof fetch = (target, init) =>
      init?.method === 'GET' ? Promise.reject(new TypeError('fetch failed')) : fetch(target, init)
    const { uppy, add } = uppyOf(harness, { shouldResume: () => true, fetch: failing })
    add('a.txt', 'a')
    expect((await uppy.upload())?.successful).toHaveLength(1)
  })

  test("fails with another user's confirm key, and a retry begins a new upload", async () => {
    const harness = await startHarness()
    const content = someBytes(2 * MiB)
    const { confirmKey } = await harness.begin({ path: 'a.bin', size: content.length })
    const { uppy, add, errors } = uppyOf(harness, { getToken: () => harness.issuer.token(bob) })
    const id = add('a.bin', content)
    uppy.setFileState(id, { smhUpload: { confirmKey } })
    await uppy.upload()
    expect(errors).toMatchObject([{ code: 'upload_not_found' }])
    expect(sentNumbers(harness)).toEqual([])

    await uppy.retryUpload(id)
    expect(harness.emulator.controls.files()).toMatchObject([{ path: ['users', 'bob', 'a.bin'] }])
    expect(harness.emulator.controls.openTasks()).toMatchObject([{ userId: 'ann' }])
  })

  test('needs only what Golden Retriever keeps of a file', async () => {
    const harness = await startHarness()
    const { uppy, add } = uppyOf(harness)
    const id = add('a.bin', someBytes(3 * MiB))
    uppy.once('upload-progress', () => uppy.pauseAll())
    void uppy.upload()
    await expect.poll(() => begun(harness)).toBe(1)
    await expect.poll(() => uppy.getFile(id).smhUpload?.confirmKey).toMatch(/^[\w.-]+$/)
    uppy.resumeAll()
    await nextSuccess(uppy)
    expect(uppy.getFile(id).smhUpload).toBeUndefined()
  })
})

describe('SmhUpload: pause', () => {
  test.each([
    ['of one file', (uppy: AnyUppy, id: string) => uppy.pauseResume(id)],
    ['of all', (uppy: AnyUppy) => uppy.pauseAll()],
  ])('of %s sends nothing until resume', async (_, pause) => {
    const harness = await startHarness()
    const { uppy, add } = uppyOf(harness, { partsInParallel: 1 })
    const content = someBytes(6 * MiB)
    const id = add('a.bin', content)
    const some = progressBeyond(uppy, id, MiB)
    const uploaded = uppy.upload()
    await some
    pause(uppy, id)
    const [task] = harness.emulator.controls.openTasks()
    expect(task?.parts.length).toBeLessThan(6)
    expect(uppy.getFile(id).isPaused).toBe(true)

    if (pause.length === 2) uppy.pauseResume(id)
    else uppy.resumeAll()
    await uploaded
    expect((await storedBytes(harness, 'a.bin')).equals(content)).toBe(true)
  })

  test('lets the next file start', async () => {
    const harness = await startHarness()
    const { uppy, add } = uppyOf(harness, { filesInParallel: 1 })
    const first = add('first.bin', someBytes(3 * MiB))
    const second = add('second.bin', someBytes(3 * MiB, 2))
    uppy.once('upload-progress', () => uppy.pauseResume(first))
    const uploaded = uppy.upload()
    expect((await nextSuccess(uppy))?.id).toBe(second)
    expect(harness.emulator.controls.openTasks()).toHaveLength(1)
    uppy.pauseResume(first)
    expect((await uploaded)?.successful).toHaveLength(2)
  })

  test('of a queued file keeps it from starting', async () => {
    const harness = await startHarness()
    const { uppy, add } = uppyOf(harness, { filesInParallel: 1 })
    add('first.bin', someBytes(2 * MiB))
    const second = add('second.bin', someBytes(2 * MiB, 2))
    const uploaded = uppy.upload()
    uppy.pauseResume(second)
    await nextSuccess(uppy)
    expect(begun(harness)).toBe(1)
    uppy.pauseResume(second)
    expect((await uploaded)?.successful).toHaveLength(2)
  })
})

test('SmhUpload: filesInParallel limits the running uploads', async () => {
  const harness = await startHarness()
  const { uppy, add } = uppyOf(harness, { filesInParallel: 2 })
  for (const name of ['a', 'b', 'c', 'd', 'e']) add(name, someBytes(MiB + 1, name.charCodeAt(0)))
  let most = 0
  uppy.on('upload-progress', () => {
    most = Math.max(most, harness.emulator.controls.openTasks().length)
  })
  expect((await uppy.upload())?.successful).toHaveLength(5)
  expect(most).toBe(2)
})

describe('SmhUpload: removing a file', () => {
  test('that uploads removes its task from SMH without an error', async () => {
    const harness = await startHarness()
    const { uppy, add, errors } = uppyOf(harness, { partsInParallel: 1 })
    const id = add('a.bin', someBytes(6 * MiB))
    const some = progressBeyond(uppy, id, MiB)
    const uploaded = uppy.upload()
    await some
    uppy.removeFile(id)
    await uploaded
    await expect.poll(openTasks(harness)).toEqual([])
    expect(errors).toEqual([])
  })

  test('and choosing it again begins a new upload', async () => {
    const harness = await startHarness()
    const { uppy, add, errors } = uppyOf(harness, { partsInParallel: 1 })
    const content = someBytes(4 * MiB)
    const id = add('a.bin', content)
    const some = progressBeyond(uppy, id, MiB)
    void uppy.upload()
    await some
    uppy.cancelAll()
    expect(add('a.bin', content)).toBe(id)
    expect((await uppy.upload())?.successful).toHaveLength(1)
    expect(errors).toEqual([])
    expect((await storedBytes(harness, 'a.bin')).equals(content)).toBe(true)
    await expect.poll(openTasks(harness)).toEqual([])
  })

  test('that is queued never begins its upload', async () => {
    const harness = await startHarness()
    const { uppy, add } = uppyOf(harness, { filesInParallel: 1 })
    add('first.bin', someBytes(2 * MiB))
    const second = add('second.bin', 'x')
    const uploaded = uppy.upload()
    uppy.removeFile(second)
    await uploaded
    expect(begun(harness)).toBe(1)
  })

  test('with an earlier upload aborts that upload', async () => {
    const harness = await startHarness()
    const content = someBytes(2 * MiB)
    const { confirmKey } = await harness.begin({ path: 'a.bin', size: content.length })
    const { uppy, add } = uppyOf(harness)
    const id = add('a.bin', content)
    uppy.setFileState(id, { smhUpload: { confirmKey } })
    uppy.removeFile(id)
    await expect.poll(openTasks(harness)).toEqual([])
  })

  test('that is stored keeps the stored file', async () => {
    const harness = await startHarness()
    const { uppy, add } = uppyOf(harness)
    const id = add('a.txt', 'a')
    await uppy.upload()
    uppy.removeFile(id)
    const operations = (await harness.records()).map(({ operation }) => operation)
    expect(operations).not.toContain('abortUpload')
    expect(harness.emulator.controls.files()).toHaveLength(1)
  })
})

test('SmhUpload: validates its options', async () => {
  const options = { gateway: 'https://uploads.example.com', getToken: () => '' }
  expect(() => new Uppy().use(SmhUpload, { ...options, filesInParallel: 0 })).toThrow(RangeError)
  expect(() => new Uppy().use(SmhUpload, { ...options, partSize: 1 })).toThrow(RangeError)
})

test('SmhUpload: uninstall removes its listeners', async () => {
  const harness = await startHarness()
  const { uppy, add } = uppyOf(harness)
  expect(uppy.getState().capabilities.resumableUploads).toBe(true)
  uppy.removePlugin(uppy.getPlugin('SmhUpload')!)
  expect(uppy.getState().capabilities.resumableUploads).toBe(false)
  add('a.txt', 'a')
  await uppy.upload()
  expect(begun(harness)).toBe(0)
})
