import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const execute = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))

/** Keeps npm from using the network and from showing notices. */
const npmEnvironment = {
  npm_config_offline: 'true',
  npm_config_update_notifier: 'false',
  npm_config_loglevel: 'error',
}

interface Manifest {
  name: string
  version: string
  dependencies: Record<string, string>
  peerDependencies: Record<string, string>
  exports: Record<string, string>
  bin: string
}

export interface PackedPackage {
  tarball: string
  /** Paths in the tarball, sorted. */
  files: string[]
  manifest: Manifest
  /** The unpacked tarball. */
  folder: string
  /**
   * Creates a project with the package and only these other packages. The package's own dependencies
   * must be named.
   */
  installWith(...packages: string[]): Promise<string>
}

export interface PackedPackages {
  /** Holds everything; for projects of a test. */
  folder: string
  server: PackedPackage
  client: PackedPackage
  remove(): Promise<void>
}

/** Builds and packs both packages as `npm publish` would. */
export async function packPackages(): Promise<PackedPackages> {
  const work = await mkdtemp(join(tmpdir(), 'smh-package-'))
  return {
    folder: work,
    // The server's `prepack` builds both.
    server: await packPackage(root, await mkdtemp(join(work, 'server-'))),
    client: await packPackage(join(root, 'dist/client'), await mkdtemp(join(work, 'client-'))),
    remove: () => rm(work, { recursive: true, force: true }),
  }
}

async function packPackage(source: string, work: string): Promise<PackedPackage> {
  await npm(source, 'pack', '--pack-destination', work)
  const packed = (await readdir(work)).filter((file) => file.endsWith('.tgz'))
  const tarball = join(work, packed[0] ?? '')
  const folder = join(work, 'package')
  await execute('tar', ['-xzf', tarball, '-C', work])
  const { stdout } = await execute('tar', ['-tzf', tarball])
  const files = stdout.trim().split('\n')
  const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Manifest
  return {
    tarball,
    files: files.map((file) => file.replace(/^package\//, '')).sort(),
    manifest,
    folder,
    async installWith(...packages) {
      const project = await createProject(work)
      const modules = join(project, 'node_modules')
      // A copy: with a link, Node would find the packages of this repository.
      await cp(folder, join(modules, manifest.name), { recursive: true })
      for (const name of packages) {
        await mkdir(dirname(join(modules, name)), { recursive: true })
        await symlink(join(root, 'node_modules', name), join(modules, name), 'dir')
      }
      return project
    },
  }
}

/** Creates a project without packages in a folder of its own below `parent`. */
export async function createProject(parent: string): Promise<string> {
  const project = await mkdtemp(join(parent, 'project-'))
  await writeFile(join(project, 'package.json'), '{ "private": true, "type": "module" }\n')
  return project
}

/** Runs npm in a folder, without network. */
export async function npm(folder: string, ...args: string[]): Promise<void> {
  await execute('npm', args, { cwd: folder, env: { ...process.env, ...npmEnvironment } })
}

/** The files of a tarball that name a folder of this machine. */
export async function filesWithPathsOfThisMachine(packed: PackedPackage): Promise<string[]> {
  const texts = packed.files.map((file) => readFile(join(packed.folder, file), 'utf8'))
  const contents = await Promise.all(texts)
  return packed.files.filter((_, index) => contents[index]?.includes(root))
}
