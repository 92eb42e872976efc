import { readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { build } from 'vite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bundleForBrowsers } from '../support/bundle-browser.ts'
import { codeBlocks } from '../support/documents.ts'
import { ann, MiB, someBytes, startHarness } from '../support/harness.ts'
import {
  createProject,
  filesWithPathsOfThisMachine,
  npm,
  type PackedPackage,
  type PackedPackages,
  packPackages,
} from '../support/installed-package.ts'
import { checkTypes, resolutions, runModule } from '../support/package-project.ts'
import { storedBytes } from '../support/upload-client.ts'

/** The client's package, as a project installs it. */

const [uploaderModule = ''] = codeBlocks('README.md', 'ts')
const [uploadsModule = '', uppyModule = '', folderModule = ''] = codeBlocks('docs/client.md', 'ts')
const [sample = ''] = codeBlocks('src/client/README.md', 'ts')
const uppyPackages = ['@uppy/core', '@uppy/dashboard', '@uppy/golden-retriever']

let packages: PackedPackages
let packed: PackedPackage
beforeAll(async () => {
  packages = await packPackages()
  packed = packages.client
})
afterAll(() => packages.remove())

describe('the tarball', () => {
  test('contains only the built modules, license and README', () => {
    const others = packed.files.filter((file) => !/\.(js|d\.ts)$/.test(file))
    expect(others).toEqual(['LICENSE', 'README.md', 'package.json'])
  })

  test('contains every file that package.json names', () => {
    const named = Object.values(packed.manifest.exports).map((file) => file.replace('./', ''))
    expect(named.filter((file) => !packed.files.includes(file))).toEqual([])
  })

  test('contains no path of the machine that built it', async () => {
    expect(await filesWithPathsOfThisMachine(packed)).toEqual([])
  })

  test("has the version of the gateway's package", () => {
    expect(packed.manifest.version).toBe(packages.server.manifest.version)
  })
})

describe('a Vite app', () => {
  /** Installs the tarball with npm, as a front-end developer does. */
  async function createApp(): Promise<string> {
    const app = await createProject(packages.folder)
    await npm(app, 'install', packed.tarball)
    return app
  }

  test('installs one package that takes less than 400 KB', async () => {
    const app = await createApp()
    const installed = await readdir(join(app, 'node_modules'))
    expect(installed.filter((name) => !name.startsWith('.'))).toEqual(['smh-upload-client'])
    expect(await bytesOnDisk(join(app, 'node_modules/smh-upload-client'))).toBeLessThan(400 * 1024)
  })

  test('is built from the client, and from its worker as an asset of its own', async () => {
    const app = await createApp()
    await writeFile(join(app, 'index.html'), '<script type="module" src="main.ts"></script>')
    await writeFile(
      join(app, 'main.ts'),
      `${sample}
      export const hashWorker = new Worker(
        new URL('smh-upload-client/hash-worker', import.meta.url), { type: 'module' })
      `,
    )
    await build({ root: app, configFile: false, logLevel: 'error' })
    const assets = await readdir(join(app, 'dist/assets'))
    expect(assets.sort()).toEqual([
      expect.stringMatching(/^hash-worker-.*\.js$/),
      expect.stringMatching(/^index-.*\.js$/),
    ])
  })
})

describe('types', () => {
  const program = `
    import { createUploadClient, type StoredFile } from 'smh-upload-client'
    const client = createUploadClient({ gateway: 'https://uploads.example.com', getToken: () => 'token' })
    export const stored: StoredFile = await client.upload(new Blob(['x']), { path: 'a' }).done
  `

  test.each(resolutions)('of the client need no DOM on Node, by %s', async (_name, options) => {
    const project = await packed.installWith('@types/node', 'undici-types')
    const forNode = ['--lib', 'es2024', '--types', 'node']
    expect(await checkTypes(project, { 'client.ts': program }, [...options, ...forNode])).toBe('')
  })

  test.each(resolutions)(
    'of client and plugin are complete in pages, by %s',
    async (_name, options) => {
      const project = await packed.installWith(...uppyPackages)
      // The bundler handles styles. Uppy's own types need the newest libraries.
      const forPages = ['--lib', 'esnext,dom', '--noUncheckedSideEffectImports', 'false']
      const modules = {
        'uploader.ts': uploaderModule,
        'uploads.ts': uploadsModule,
        'dashboard.ts': uppyModule,
        'folder.ts': folderModule,
        'sample.ts': sample,
      }
      expect(await checkTypes(project, modules, [...options, ...forPages])).toBe('')
    },
  )
})

/** A sample of the documents, with the options that point its client at `gateway`. */
function withGateway(sample: string, options: string): string {
  const changed = sample.replace("gateway: 'https://uploads.example.com'", options)
  expect(changed).not.toBe(sample)
  return changed
}

describe('the client', () => {
  test('of README.md uploads a file, and shows what happens', async () => {
    const harness = await startHarness()
    const project = await packed.installWith()
    const options = `gateway: '${harness.gateway.url}', cosScheme: 'http'`
    await writeFile(join(project, 'uploader.ts'), withGateway(uploaderModule, options))
    const content = someBytes(3 * MiB)
    await writeFile(join(project, 'sea.bin'), content)
    const said = await runModule(
      project,
      `
      import { openAsBlob } from 'node:fs'
      const { createUploader } = await import('./uploader.ts')
      const upload = createUploader(async () => process.env.TOKEN ?? '')
      const shown = []
      const file = new File([await openAsBlob('sea.bin')], 'sea.bin')
      const path = await upload(file, (text) => shown.push(text))
      console.log(JSON.stringify({ path, shown }))
      process.exit()
      `,
      { TOKEN: await harness.issuer.token(ann) },
    )
    expect(said.path).toBe('holiday/sea.bin')
    expect(said.shown).toContain(`${3 * MiB} of ${3 * MiB} bytes`)
    expect(said.shown.at(-1)).toBe('Stored as holiday/sea.bin.')
    expect((await storedBytes(harness, 'holiday', 'sea.bin')).equals(content)).toBe(true)
  })

  test('of docs/client.md uploads, and resumes after a reload', async () => {
    const harness = await startHarness()
    const project = await packed.installWith()
    const options = `gateway: '${harness.gateway.url}', cosScheme: 'http', partSize: ${MiB}, partsInParallel: 1`
    await writeFile(join(project, 'uploads.ts'), withGateway(uploadsModule, options))
    const content = someBytes(3 * MiB)
    await writeFile(join(project, 'sea.bin'), content)
    // Node has neither localStorage nor files with a name and date.
    const said = await runModule(
      project,
      `
      import { openAsBlob } from 'node:fs'
      const store = new Map()
      globalThis.localStorage = {
        getItem: (name) => store.get(name) ?? null,
        setItem: (name, value) => store.set(name, value),
        removeItem: (name) => store.delete(name),
      } as never
      const { createUploads } = await import('./uploads.ts')
      const file = new File([await openAsBlob('sea.bin')], 'sea.bin', { lastModified: 1 })
      const getToken = async () => process.env.TOKEN ?? ''
      const ended = []
      const before = createUploads('ann', getToken, (text) => {
        if (Number.parseInt(text) > 33) first.pause()
      })
      const first = before.start(file)
      while (!first.paused) await new Promise((resolve) => setImmediate(resolve))
      const kept = [...store.values()]
      const names = [...store.keys()]
      const { start } = createUploads('ann', getToken, (text) => ended.push(text))
      await start(file).done
      console.log(JSON.stringify({ kept, names, key: first.confirmKey, ended, left: store.size }))
      process.exit()
      `,
      { TOKEN: await harness.issuer.token(ann) },
    )
    expect(said.kept).toEqual([said.key])
    // Another user of the same browser does not find it.
    expect(said.names).toEqual([expect.stringContaining('"ann"')])
    expect(said.ended.find((text: string) => text.endsWith('%'))).toBe('33 %')
    expect(said.ended.at(-1)).toBe('Stored as holiday/sea.bin.')
    expect(said.left).toBe(0)
    expect((await storedBytes(harness, 'holiday', 'sea.bin')).equals(content)).toBe(true)
    expect(harness.emulator.controls.files()).toHaveLength(1)
    expect(harness.emulator.controls.openTasks()).toEqual([])
  })

  test('of docs/client.md uploads a chosen folder with one progress', async () => {
    const harness = await startHarness()
    const project = await packed.installWith()
    const options = `gateway: '${harness.gateway.url}', cosScheme: 'http'`
    await writeFile(join(project, 'folder.ts'), withGateway(folderModule, options))
    const said = await runModule(
      project,
      `
      const listeners = {}
      globalThis.document = { addEventListener() {} } as never
      const { createFolderUploads } = await import('./folder.ts')
      const files = ['a.txt', 'b.txt', 'c:.txt'].map((name) =>
        Object.assign(new File(['x'], name), { webkitRelativePath: 'holiday/' + name }))
      const input = { files, addEventListener: (type, listener) => (listeners[type] = listener) }
      const shown = []
      createFolderUploads(input as never, async () => process.env.TOKEN ?? '', (text) => shown.push(text))
      await listeners.change()
      console.log(JSON.stringify({ shown }))
      process.exit()
      `,
      { TOKEN: await harness.issuer.token(ann) },
    )
    expect(said.shown).toContain('2 of 3 files')
    expect(said.shown).toContainEqual(expect.stringMatching(/^holiday\/c:\.txt: A name can have/))
    expect(said.shown.at(-1)).toBe('2 files stored, 1 failed')
    const paths = harness.emulator.controls.files().map(({ path }) => path.slice(2).join('/'))
    expect(paths.toSorted()).toEqual(['holiday/a.txt', 'holiday/b.txt'])
  })

  test.each([
    ['smh-upload-client', [], []],
    ['smh-upload-client/hash-worker', [], []],
    ['smh-upload-client/queue', [], []],
    ['smh-upload-client/uppy', ['@uppy/core'], ['@uppy/core', '@uppy/core/utils']],
  ])('%s is bundled for browsers', async (name, installed, imports) => {
    const folder = await packed.installWith(...installed)
    const external = ['@uppy/core']
    const bundle = await bundleForBrowsers(name, { folder, external })
    expect(bundle.imports).toEqual(imports)
  })

  test('is bundled with Uppy, its Dashboard and Golden Retriever', async () => {
    const folder = await packed.installWith(...uppyPackages)
    await writeFile(join(folder, 'dashboard.ts'), uppyModule)
    const bundle = await bundleForBrowsers('./dashboard.ts', { folder })
    expect(bundle.imports).toEqual([])
  })
})

/** The space that a folder takes, in whole blocks: what `du` counts. */
async function bytesOnDisk(folder: string): Promise<number> {
  const names = await readdir(folder, { recursive: true })
  const stats = await Promise.all(['', ...names].map((name) => stat(join(folder, name))))
  return stats.reduce((sum, { blocks }) => sum + blocks * 512, 0)
}
