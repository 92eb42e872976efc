import { expect, test } from 'vitest'
import { chosenFiles, droppedFiles, type QueuedFile } from '../../../src/client/queue/index.ts'

const file = (name: string, webkitRelativePath = '') =>
  Object.assign(new File(['x'], name), { webkitRelativePath })

function fileEntry(fullPath: string, fault?: Error) {
  const content = file(fullPath.split('/').at(-1)!)
  return {
    isFile: true,
    fullPath,
    file: (resolve: (file: File) => void, reject: (error: Error) => void) =>
      fault ? reject(fault) : resolve(content),
  }
}

/** A folder whose reader returns at most `batch` entries at a time, as Chromium does with 100. */
function folderEntry(fullPath: string, entries: object[], batch = 100) {
  return {
    isFile: false,
    fullPath,
    createReader() {
      const left = [...entries]
      return { readEntries: (resolve: (some: object[]) => void) => resolve(left.splice(0, batch)) }
    },
  }
}

const drop = (entries: object[], files: File[] = []) =>
  ({ items: entries.map((entry) => ({ webkitGetAsEntry: () => entry })), files }) as never

async function read(dropped: AsyncIterable<QueuedFile>): Promise<string[]> {
  const paths: string[] = []
  for await (const { path } of dropped) paths.push(path)
  return paths
}

test('chosenFiles: a chosen folder is part of the path', () => {
  const files = [file('a.txt'), file('b.txt', 'holiday/2026/b.txt')]
  expect(chosenFiles(files)).toEqual([
    { file: files[0], path: 'a.txt' },
    { file: files[1], path: 'holiday/2026/b.txt' },
  ])
})

test('droppedFiles: reads all files of all folders', async () => {
  const many = Array.from({ length: 250 }, (_, index) => fileEntry(`/holiday/${index}.txt`))
  const deep = folderEntry('/holiday/deep', [fileEntry('/holiday/deep/x.txt')])
  const folder = folderEntry('/holiday', [deep, ...many], 100)
  const paths = await read(droppedFiles(drop([fileEntry('/a.txt'), folder])))
  expect(paths).toHaveLength(252)
  expect(new Set(paths).size).toBe(252)
  expect(paths[0]).toBe('a.txt')
  expect(paths).toContain('holiday/deep/x.txt')
  expect(paths).toContain('holiday/249.txt')
})

test('droppedFiles: a file that is not readable is reported, and the others follow', async () => {
  const fault = new Error('gone')
  const faults: unknown[] = []
  const dropped = droppedFiles(drop([fileEntry('/a', fault), fileEntry('/b')]), (path, error) =>
    faults.push([path, error]),
  )
  expect(await read(dropped)).toEqual(['b'])
  expect(faults).toEqual([['a', fault]])
})

test('droppedFiles: reads the entries before the browser empties the drop', async () => {
  const items = [{ webkitGetAsEntry: () => fileEntry('/a') }]
  const dropped = droppedFiles({ items, files: [] } as never)
  items.length = 0
  expect(await read(dropped)).toEqual(['a'])
})

test('droppedFiles: files without an entry have their names', async () => {
  const items = [{ webkitGetAsEntry: () => null }]
  expect(await read(droppedFiles({ items, files: [file('a.txt')] } as never))).toEqual(['a.txt'])
})
