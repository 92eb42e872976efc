import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const execute = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))

/** What npm is to leave alone: the internet, and whatever the user has configured. */
const npmManners = {
  npm_config_offline: 'true',
  npm_config_update_notifier: 'false',
  npm_config_loglevel: 'error',
}

interface Manifest {
  dependencies: Record<string, string>
  peerDependencies: Record<string, string>
  exports: Record<string, string>
  bin: string
}

export interface PackedPackage {
  /** Paths in the tarball, sorted. */
  files: string[]
  manifest: Manifest
  /** The unpacked tarball. */
  folder: string
  /**
   * A fresh project that has the package installed, with these packages beside it and no others: the
   * dependencies of ours that are meant have to be named.
   */
  installWith(...packages: string[]): Promise<string>
  remove(): Promise<void>
}

/** Builds and packs this project as `npm publish` would. */
export async function packPackage(): Promise<PackedPackage> {
  const work = await mkdtemp(join(tmpdir(), 'smh-package-'))
  const environment = { ...process.env, ...npmManners }
  const pack = ['pack', '--json', '--pack-destination', work]
  await execute('npm', pack, { cwd: root, env: environment })
  const folder = join(work, 'package')
  const tarball = join(work, `${await nameAndVersion()}.tgz`)
  await execute('tar', ['-xzf', tarball, '-C', work])
  const { stdout } = await execute('tar', ['-tzf', tarball])
  const files = stdout.trim().split('\n')
  const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Manifest

  let projects = 0
  return {
    files: files.map((file) => file.replace(/^package\//, '')).sort(),
    manifest,
    folder,
    async installWith(...packages) {
      projects += 1
      const project = join(work, `project-${projects}`)
      const modules = join(project, 'node_modules')
      await mkdir(modules, { recursive: true })
      await writeFile(join(project, 'package.json'), '{ "private": true, "type": "module" }\n')
      // A copy: by way of a link it would find what is installed for this project.
      await cp(folder, join(modules, 'smh-upload-gateway'), { recursive: true })
      for (const name of packages) {
        await mkdir(dirname(join(modules, name)), { recursive: true })
        await symlink(join(root, 'node_modules', name), join(modules, name), 'dir')
      }
      return project
    },
    remove: () => rm(work, { recursive: true, force: true }),
  }
}

async function nameAndVersion(): Promise<string> {
  const { name, version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  return `${name}-${version}`
}
