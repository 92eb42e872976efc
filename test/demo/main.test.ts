import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createCRC64 } from 'hash-wasm'
import { beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { MiB, someBytes } from '../support/harness.ts'

// Each test starts processes, which takes long on a busy machine.
vi.setConfig({ testTimeout: 30_000 })

const main = fileURLToPath(new URL('../../src/demo/main.ts', import.meta.url))

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'demo-main-'))
  return () => rm(folder, { recursive: true })
})

async function aFile(name: string, content: Uint8Array): Promise<string> {
  const file = join(await mkdtemp(join(folder, 'file-')), name)
  await writeFile(file, content)
  return file
}

/** Runs the command with its own folder for temporary files. */
async function runDemo(...args: string[]) {
  return run(process.execPath, [main, ...args])
}

async function run(command: string, args: string[], env: NodeJS.ProcessEnv = {}) {
  const temporary = await mkdtemp(join(folder, 'tmp-'))
  const child: ChildProcess = spawn(command, args, {
    env: { ...process.env, npm_lifecycle_event: '', ...env, TMPDIR: temporary, NODE_OPTIONS: '' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  let [out, errors] = ['', '']
  child.stdout!.setEncoding('utf8').on('data', (text) => {
    out += text
  })
  child.stderr!.setEncoding('utf8').on('data', (text) => {
    errors += text
  })
  const closed = once(child, 'close')
  return {
    out: () => out,
    errors: () => errors,
    kill: (signal: NodeJS.Signals) => child.kill(signal),
    processes: () => processesWith(temporary),
    /** Resolves to the first match of `pattern` in the output. */
    async says(pattern: RegExp): Promise<RegExpExecArray> {
      for (;;) {
        const found = pattern.exec(out)
        if (found) return found
        const more = await Promise.race([once(child.stdout!, 'data'), closed.then(() => undefined)])
        if (!more && !pattern.test(out)) throw new Error(`It ended with:\n${out}${errors}`)
      }
    },
    /** Resolves at the end of the process to its status and the temporary files left. */
    async end() {
      const [status] = await closed
      return { status, left: await readdir(temporary) }
    },
  }
}

/** The processes whose environment contains this folder. Only Linux reports them. */
async function processesWith(folder: string): Promise<string[]> {
  const ids = await readdir('/proc').catch(() => [])
  const environments = ids.map(async (id) => {
    const environment = await readFile(`/proc/${id}/environ`, 'utf8').catch(() => '')
    return environment.includes(folder) ? [id] : []
  })
  return (await Promise.all(environments)).flat()
}

test('demo FILE uploads the file in parts and stores the same bytes', async () => {
  const content = someBytes(9 * MiB + 5)
  const crc = await createCRC64()
  const crc64 = BigInt(`0x${crc.update(content).digest('hex')}`).toString()
  const demo = await runDemo(await aFile('clip.mp4', content))
  expect(await demo.end()).toEqual({ status: 0, left: [] })
  expect(demo.errors()).toBe('')
  expect(demo.out()).toContain('clip.mp4: 9 MB in 3 parts')
  expect(demo.out()).toMatch(/Stored as +users\/ada\/clip\.mp4\n/)
  expect(demo.out()).toMatch(/User +ada\n/)
  expect(demo.out()).toContain(`CRC-64      ${crc64} stored\n`)
  expect(demo.out()).toContain(`${crc64} local: equal`)
  expect(demo.out()).toContain('1 of 1 file stored intact.')
  // No progress bar and no control characters.
  expect(demo.out()).not.toMatch(/[^\P{Cc}\n]/u)
})

test('demo FILE...: names files that cannot be uploaded and uploads the others', async () => {
  const missing = join(folder, 'missing.bin')
  const directory = join(folder, 'directory')
  await mkdir(directory)
  const empty = await aFile('empty.bin', new Uint8Array())
  const odd = await aFile('a?b.bin', someBytes(10))
  const good = await aFile('good.bin', someBytes(10))
  const namesake = await aFile('good.bin', someBytes(11))
  const demo = await runDemo(missing, directory, good, empty, odd, namesake)
  expect(await demo.end()).toEqual({ status: 1, left: [] })
  expect(demo.errors().trimEnd().split('\n')).toEqual([
    `${missing} does not exist`,
    `${directory} is a directory`,
    expect.stringMatching(/a\?b\.bin: The request is invalid\. path: has /),
  ])
  expect(demo.out()).toContain('/good.bin\n')
  expect(demo.out()).toContain('/good (1).bin\n')
  expect(demo.out()).toContain('3 of 6 files stored intact.')
})

test('demo FILE...: starts nothing when no file can be uploaded', async () => {
  const missing = join(folder, 'missing.bin')
  const demo = await runDemo(missing, folder)
  expect(await demo.end()).toEqual({ status: 1, left: [] })
  expect(demo.out()).toBe('')
  expect(demo.errors()).toBe(`${missing} does not exist\n${folder} is a directory\n`)
})

test('demo FILE...: sends no bytes of a file that SMH already has', async () => {
  const file = await aFile('clip.mp4', someBytes(2 * MiB))
  const demo = await runDemo(file, file)
  expect(await demo.end()).toEqual({ status: 0, left: [] })
  expect(demo.out()).toContain('clip.mp4: 2 MB in 1 part\n')
  expect(demo.out()).toContain('clip.mp4: 2 MB already in SMH, nothing sent\n')
  expect(demo.out()).toContain('/clip (1).mp4\n')
  expect(demo.out()).toContain('2 of 2 files stored intact.')
})

test('demo: stores a sample, then serves the page until SIGTERM', async () => {
  const demo = await runDemo()
  const [, page = ''] = await demo.says(/Open (\S+) to upload/)
  expect(demo.out()).toContain(`Page        ${page}\n`)
  expect(demo.out()).toMatch(/Stored as +users\/ada\/sample\.bin/)
  expect(demo.out()).toContain('local: equal')

  const reply = await fetch(page)
  expect(reply.headers.get('content-security-policy')).toMatch(
    /^default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src/,
  )
  const html = await reply.text()
  const assets = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path!)
  expect(assets).toEqual(['/style.css', '/page.js'])
  for (const path of assets) expect((await fetch(new URL(path, page))).status).toBe(200)
  expect((await fetch(new URL('/main.ts', page))).status).toBe(404)

  const { gatewayUrl, users } = await (await fetch(new URL('/settings.json', page))).json()
  expect(users).toEqual([
    { id: 'ada', name: 'Ada' },
    { id: 'boris', name: 'Boris' },
  ])
  const { token } = await (await fetch(new URL(`/token?user=${users[1].id}`, page))).json()
  const begun = await fetch(`${gatewayUrl}/v1/uploads`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      origin: new URL(page).origin,
    },
    body: JSON.stringify({ path: 'a.txt', size: 1 }),
  })
  expect(begun.status).toBe(201)
  expect(begun.headers.get('access-control-allow-origin')).toBe(new URL(page).origin)
  expect((await fetch(new URL('/token?user=unknown', page))).status).toBe(404)

  // A second demo takes other ports.
  const other = await runDemo(await aFile('note.txt', someBytes(3)))
  expect(await other.end()).toEqual({ status: 0, left: [] })

  demo.kill('SIGTERM')
  expect(await demo.end()).toEqual({ status: 0, left: [] })
  expect(demo.errors()).toBe('')
})

test('demo: Ctrl-C during an upload aborts it and leaves no files', async () => {
  const file = await aFile('large.bin', someBytes(1))
  // A sparse file: it takes no disk space, and its upload takes seconds.
  await truncate(file, 2 * 1024 * MiB)
  const demo = await runDemo('--log', file)
  await demo.says(/large\.bin: 2 GB/)
  demo.kill('SIGINT')
  expect(await demo.end()).toEqual({ status: 130, left: [] })
  expect(demo.out()).toContain('Interrupted. The upload was aborted.')
  const lines = demo.errors().trimEnd().split('\n')
  expect(lines.map((line) => JSON.parse(line))).toContainEqual(
    expect.objectContaining({ operation: 'abortUpload', status: 204 }),
  )
})

test('demo --worker FILE uploads the file through workerd, and --log shows its log', async () => {
  const content = someBytes(5 * MiB + 1)
  const crc = await createCRC64()
  const crc64 = BigInt(`0x${crc.update(content).digest('hex')}`).toString()
  const demo = await runDemo('--worker', '--log', await aFile('clip.mp4', content))
  expect(await demo.end()).toEqual({ status: 0, left: [] })
  expect(demo.out()).toContain('clip.mp4: 5 MB in 2 parts')
  expect(demo.out()).toContain(`CRC-64      ${crc64} stored\n`)
  expect(demo.out()).toContain(`${crc64} local: equal`)
  expect(demo.out()).toContain('1 of 1 file stored intact.')
  const lines = demo.errors().trimEnd().split('\n')
  expect(lines.map((line) => JSON.parse(line))).toContainEqual(
    expect.objectContaining({ level: 'info', operation: 'completeUpload', status: 200 }),
  )
})

test('demo --worker leaves no processes and no files after SIGTERM', async () => {
  const demo = await runDemo('--worker')
  await demo.says(/Press Ctrl-C to stop/)
  const [, gatewayUrl = ''] = await demo.says(/Gateway +(http:\S+) /)
  expect((await fetch(`${gatewayUrl}/readyz`)).status).toBe(200)
  // At least the demo, wrangler and workerd.
  if (process.platform === 'linux') expect((await demo.processes()).length).toBeGreaterThan(2)
  demo.kill('SIGTERM')
  expect(await demo.end()).toEqual({ status: 0, left: [] })
  expect(demo.errors()).toBe('')
  expect(await demo.processes()).toEqual([])
  await expect(fetch(`${gatewayUrl}/livez`)).rejects.toThrow()
})

test('demo: ends when the shell that npm started it in ends', async () => {
  // With a single command, the shell would replace itself with the demo.
  const script = `'${process.execPath}' '${main}'; true`
  const demo = await run('sh', ['-c', script], { npm_lifecycle_event: 'demo' })
  await demo.says(/Press Ctrl-C to stop/)
  demo.kill('SIGTERM')
  expect((await demo.end()).left).toEqual([])
})

test('demo: --help shows the usage, and an unknown option exits with status 2', async () => {
  const help = await runDemo('--help')
  expect((await help.end()).status).toBe(0)
  expect(help.out()).toContain('npm run demo -- FILE')
  const mistake = await runDemo('--no-such-thing')
  expect((await mistake.end()).status).toBe(2)
  expect(mistake.errors()).toContain('See --help')
})
