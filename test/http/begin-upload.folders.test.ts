import { describe, expect, test } from 'vitest'
import { ann, bob, startHarness } from '../support/harness.ts'
import { expectProblem } from '../support/problems.ts'

describe('begin: missing folders', () => {
  test('are created level by level', async () => {
    const harness = await startHarness()
    await harness.begin({ path: 'a/b/c/d.txt', size: 3 })
    expect(harness.emulator.controls.directories()).toEqual([
      ['users'],
      ['users', 'ann'],
      ['users', 'ann', 'a'],
      ['users', 'ann', 'a', 'b'],
      ['users', 'ann', 'a', 'b', 'c'],
    ])
    expect(harness.smhCalls().map(({ route, status }) => `${route} ${status}`)).toEqual([
      'mint-token 200',
      'begin-multipart 404',
      'create-directory 201',
      'begin-multipart 201',
    ])
    const [create] = harness.smhCalls('create-directory')
    expect(create?.path).toBe('/api/v1/directory/smh0emulated/-/users/ann/a/b/c')
    expect(create?.query).toMatchObject({ conflict_resolution_strategy: 'ask', user_id: 'ann' })
  })

  test("are created for 32 levels, the user's folder included", async () => {
    const harness = await startHarness()
    const path = [...Array(29).fill('a'), 'b.txt'].join('/')
    await harness.begin({ path, size: 3 })
    expect(harness.emulator.controls.directories()).toHaveLength(31)
  })

  test('are refused for 33 levels before SMH is called', async () => {
    const harness = await startHarness()
    const path = [...Array(30).fill('a'), 'b.txt'].join('/')
    const response = await harness.request('POST', '/v1/uploads', { body: { path, size: 3 } })
    const problem = await expectProblem(response, 400, 'invalid_request')
    expect(problem.errors).toEqual([
      { field: 'path', message: 'has more than 32 levels, those of your folder included' },
    ])
    expect(harness.smhCalls()).toEqual([])
  })

  test('twenty begins at once in the same new folder all succeed', async () => {
    const harness = await startHarness()
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        harness.request('POST', '/v1/uploads', {
          body: { path: `new/folder/${index}.txt`, size: 3 },
          as: index % 2 ? ann : bob,
        }),
      ),
    )
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(201))
    expect(harness.emulator.controls.openTasks()).toHaveLength(20)
    // No folder was created twice under another name.
    expect(harness.emulator.controls.directories()).toHaveLength(7)
  })

  test('a PathConflict from a concurrent creation is retried', async () => {
    const harness = await startHarness()
    harness.emulator.controls.force('create-directory', { status: 409, code: 'PathConflict' })
    await harness.begin({ path: 'a/b.txt', size: 3 })
    expect(harness.smhCalls('create-directory').map(({ status }) => status)).toEqual([409, 201])
  })

  test('a creation whose response was lost counts as done', async () => {
    const harness = await startHarness()
    harness.emulator.controls.force('create-directory', { drop: 'after' })
    await harness.begin({ path: 'a/b.txt', size: 3 })
    expect(harness.smhCalls('create-directory').map(({ status }) => status)).toEqual([null, 409])
    expect(harness.emulator.controls.directories()).toHaveLength(3)
  })

  test('with UPLOAD_CREATE_PARENTS=false return parent_not_found, and none is created', async () => {
    const harness = await startHarness({ environment: { UPLOAD_CREATE_PARENTS: 'false' } })
    const response = await harness.request('POST', '/v1/uploads', { body: { path: 'a', size: 3 } })
    await expectProblem(response, 404, 'parent_not_found')
    expect(harness.emulator.controls.directories()).toEqual([])
    expect(harness.smhCalls('create-directory')).toEqual([])
  })

  test('the begin is repeated only once', async () => {
    const harness = await startHarness()
    const fault = { status: 404, code: 'DirectoryNotFound', times: Infinity }
    harness.emulator.controls.force('begin-multipart', fault)
    const response = await harness.request('POST', '/v1/uploads', {
      body: { path: 'a/b', size: 3 },
    })
    await expectProblem(response, 404, 'parent_not_found')
    expect(harness.smhCalls('begin-multipart')).toHaveLength(2)
  })

  test('a file at the root needs no folder', async () => {
    const harness = await startHarness({ environment: { UPLOAD_PATH_PREFIX: '/' } })
    await harness.begin({ path: 'a.txt', size: 3 })
    expect(harness.emulator.controls.directories()).toEqual([])
  })
})

describe('begin: a name conflict', () => {
  test.each(['taken', 'deep/taken'])(
    'a file has the name of a folder of the path: %s',
    async (taken) => {
      const harness = await startHarness()
      await harness.upload(taken, [new Uint8Array(3)])
      for (const below of ['a.txt', 'more/a.txt']) {
        const body = { path: `${taken}/${below}`, size: 3 }
        const response = await harness.request('POST', '/v1/uploads', { body })
        await expectProblem(response, 409, 'name_conflict')
      }
      expect(harness.emulator.controls.files()).toHaveLength(1)
    },
  )

  test.each(['file', 'folder'])('a %s has the name, and the strategy is `ask`', async (kind) => {
    const harness = await startHarness()
    await harness.upload(kind === 'file' ? 'a' : 'a/b', [new Uint8Array(3)])
    const body = { path: 'a', size: 3, conflictResolutionStrategy: 'ask' }
    const response = await harness.request('POST', '/v1/uploads', { body })
    await expectProblem(response, 409, 'name_conflict')
    expect(harness.emulator.controls.openTasks()).toEqual([])
  })

  test('`overwrite` does not replace a folder', async () => {
    const harness = await startHarness({ environment: { UPLOAD_CONFLICT_STRATEGIES: 'overwrite' } })
    await harness.begin({ path: 'a/b', size: 3, conflictResolutionStrategy: 'overwrite' })
    const body = { path: 'a', size: 3, conflictResolutionStrategy: 'overwrite' }
    const response = await harness.request('POST', '/v1/uploads', { body })
    await expectProblem(response, 409, 'name_conflict')
  })
})
