import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'

let temporary: string
const started: ChildProcess[] = []

beforeEach(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'smh-main-test-'))
})

afterEach(async () => {
  for (const child of started.splice(0)) if (child.exitCode === null) child.kill('SIGKILL')
  await rm(temporary, { recursive: true, force: true })
})

const ANY_PORTS = ['--smh-port=0', '--cos-port=0', '--admin-port=0']

/** The command with its own temporary folder, so that the test sees what it leaves behind. */
function run(args: string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, ['src/command/main.ts', 'emulator', ...args], {
    env: { ...process.env, TMPDIR: temporary, ...env },
  })
  started.push(child)
  const seen = { out: '', err: '' }
  child.stdout.on('data', (chunk) => {
    seen.out += chunk
  })
  child.stderr.on('data', (chunk) => {
    seen.err += chunk
  })
  const ended = once(child, 'close').then(([code]) => ({ code, ...seen }))
  const ready = expect.poll(() => seen.out, { timeout: 10_000 }).toContain('Ctrl-C')
  return { child, ended, seen, ready: Promise.race([ready, ended.then(() => {})]) }
}

test.each(['SIGTERM', 'SIGINT'] as const)(
  'emulator: %s ends it and leaves nothing behind',
  async (signal) => {
    const { child, ended, seen, ready } = run([...ANY_PORTS, '--library-secret=s3cret'])
    await ready
    expect(await readdir(temporary)).toHaveLength(1)
    const curl = /curl '(.*)'/.exec(seen.out)?.[1] ?? ''
    const { accessToken } = (await (await fetch(curl)).json()) as { accessToken: string }
    const endpoint = /SMH_ENDPOINT=(.*)/.exec(seen.out)?.[1]
    const begun = await fetch(
      `${endpoint}/api/v1/file/smh0emulated/-/a.bin?multipart&access_token=${accessToken}`,
      { method: 'POST' },
    )
    const task = (await begun.json()) as Record<string, string> & {
      headers: Record<string, string>
    }
    const part = `http://${task.domain}${task.path}?uploadId=${task.uploadId}&partNumber=1`
    const sent = await fetch(part, { method: 'PUT', headers: task.headers, body: 'bytes' })
    expect(sent.status).toBe(200)
    expect(seen.out).toContain('SMH_LIBRARY_ID=smh0emulated\n  SMH_LIBRARY_SECRET=s3cret\n')

    child.kill(signal)
    expect(await ended).toMatchObject({ code: 0, err: '' })
    expect(await readdir(temporary)).toEqual([])
  },
)

test('emulator: --space adds spaces, and options take precedence over variables', async () => {
  const { child, ended, seen, ready } = run(
    [...ANY_PORTS, '--space=team-a', '--library-id=smh0a'],
    {
      EMULATOR_LIBRARY_ID: 'smh0b',
      EMULATOR_LIBRARY_SECRET: 'fromenv',
    },
  )
  await ready
  expect(seen.out).toMatch(/SMH_LIBRARY_ID=smh0a\n.*SMH_LIBRARY_SECRET=fromenv/)
  expect(seen.out).toContain('SMH_SPACE_ID=team-a')
  child.kill('SIGTERM')
  await ended
})

test('emulator: a port in use is named, and nothing is left behind', async () => {
  const holder = createServer().listen(0, '127.0.0.1')
  await once(holder, 'listening')
  const address = holder.address()
  const port = typeof address === 'object' ? address?.port : 0
  const { ended } = run([...ANY_PORTS, `--cos-port=${port}`])
  const { code, err } = await ended
  holder.close()
  expect([code, err]).toEqual([1, expect.stringContaining(`Port ${port} is in use`)])
  expect(await readdir(temporary)).toEqual([])
})

test.each([
  ['an end', [], 0],
  ['a port in use', ['--cos-port=HELD'], 1],
] as const)('emulator: %s keeps the files of others in --directory', async (_, more, code) => {
  const holder = createServer().listen(0, '127.0.0.1')
  await once(holder, 'listening')
  const { port } = holder.address() as AddressInfo
  await mkdir(join(temporary, 'blobs'))
  const files = [join(temporary, 'blobs', 'mine'), join(temporary, 'mine')]
  for (const file of files) await writeFile(file, 'mine')
  const args = more.map((arg) => arg.replace('HELD', String(port)))
  const { child, ended, ready } = run([...ANY_PORTS, `--directory=${temporary}`, ...args])
  await ready
  child.kill('SIGTERM')
  expect((await ended).code).toBe(code)
  holder.close()
  for (const file of files) expect(await readFile(file, 'utf8')).toBe('mine')
})

test('emulator: a port in use keeps an existing file of --tls-cert', async () => {
  const holder = createServer().listen(0, '127.0.0.1')
  await once(holder, 'listening')
  const { port } = holder.address() as AddressInfo
  const certificate = join(temporary, 'trusted.pem')
  await writeFile(certificate, 'of a running emulator')
  const { ended } = run([...ANY_PORTS, `--cos-port=${port}`, `--tls-cert=${certificate}`])
  expect((await ended).code).toBe(1)
  holder.close()
  expect(await readFile(certificate, 'utf8')).toBe('of a running emulator')
})

test.each([
  [['--help'], 0, /--smh-port/, /^$/],
  [['--nonsense'], 1, /^$/, /nonsense/],
  [['--smh-port=70000'], 1, /^$/, /--smh-port must be/],
])('emulator %j: prints help or an error', async (args, code, out, err) => {
  expect(await run(args).ended).toEqual({
    code,
    out: expect.stringMatching(out),
    err: expect.stringMatching(err),
  })
})
