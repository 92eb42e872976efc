import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { open, readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startDemoIssuer } from '../../src/demo/demo-users.ts'
import { environmentOf } from '../../src/demo/environment.ts'
import { startEmulator } from '../../src/emulator/start.ts'
import { freePort } from '../support/free-port.ts'
import { openPipe } from '../support/pipe.ts'
import { knock, run } from '../support/process.ts'

/** The entry as a process, with the real parts around it. */
async function startProcess(
  environment: Record<string, string> = {},
  flags: readonly string[] = [],
) {
  const [emulator, issuer] = await Promise.all([startEmulator(), startDemoIssuer()])
  onTestFinished(async () => {
    await Promise.all([emulator.close(), issuer.close()])
  })
  const [file = '', ...args] = [...flags, 'src/gateway/runtimes/node/main.ts']
  const variables = { ...environmentOf({ emulator, issuer }), PORT: '0', ...environment }
  const gateway = run(file, variables, args)
  const token = await issuer.token({ sub: 'ann' })
  const address = async (event: string) =>
    JSON.parse(await gateway.line((line) => line.includes(`"event":"${event}"`))).address as string
  const url = await address('listening')
  const begin = () =>
    fetch(`${url}/v1/uploads`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ path: 'a.txt', size: 1 }),
    })
  return { emulator, issuer, gateway, url, address, begin }
}

/** The entry as a process whose standard output is a device without room. */
async function startWithFullDisk(port: number) {
  const [emulator, issuer] = await Promise.all([startEmulator(), startDemoIssuer()])
  const full = await open('/dev/full', 'w')
  const child = spawn(process.execPath, ['src/gateway/runtimes/node/main.ts'], {
    env: { ...environmentOf({ emulator, issuer }), LOG_LEVEL: 'info', PORT: String(port) },
    stdio: ['ignore', full.fd, 'ignore'],
  })
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await Promise.all([emulator.close(), issuer.close(), full.close()])
  })
  return { child, ended: once(child, 'exit').then(([status]) => status) }
}

/** The entry as a process whose log has no reader, with enough lines to block a write. */
async function startWithStalledReader() {
  const port = await freePort()
  const [emulator, issuer, pipe] = await Promise.all([
    startEmulator(),
    startDemoIssuer(),
    openPipe(),
  ])
  const child = spawn(
    process.execPath,
    ['--import', throwOnSignal, 'src/gateway/runtimes/node/main.ts'],
    {
      env: { ...environmentOf({ emulator, issuer }), LOG_LEVEL: 'info', PORT: String(port) },
      stdio: ['ignore', pipe.fd, 'ignore'],
    },
  )
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await Promise.all([emulator.close(), issuer.close()])
  })
  const url = `http://127.0.0.1:${port}`
  await expect.poll(() => knock(url), { timeout: 10_000 }).toBe(200)
  for (let times = 0; times < LINES_OF_A_FULL_PIPE; times += 1) {
    await (await fetch(`${url}/livez`)).text()
  }
  return { child, url, ended: once(child, 'exit').then(([status, signal]) => status ?? signal) }
}

/** A pipe holds 64 KiB, a line has more than 150 bytes. */
const LINES_OF_A_FULL_PIPE = 600

/** A module for `--import`: SIGUSR2 makes the process crash. */
const throwOnSignal =
  "data:text/javascript,process.on('SIGUSR2', () => { throw new Error('a crash') })"

/** Resolves when the emulator has got a call of this route. */
async function reached(emulator: Awaited<ReturnType<typeof startEmulator>>, route: string) {
  while (!emulator.controls.calls().some((call) => call.route === route)) {
    await new Promise((resolve) => setImmediate(resolve))
  }
}

describe('the Node entry', { timeout: 30_000 }, () => {
  test.each(['SIGTERM', 'SIGINT'] as const)(
    '%s: completes its requests, then exits with 0',
    async (signal) => {
      const { emulator, gateway, url, begin } = await startProcess()
      await begin()
      emulator.controls.clearCalls()
      emulator.controls.force('begin-multipart', { delayMs: 500 })
      const held = begin()
      await reached(emulator, 'begin-multipart')
      gateway.child.kill(signal)
      await gateway.line((line) => line.includes('"event":"stopping"'))
      await expect.poll(() => knock(url)).toBe('ECONNREFUSED')
      expect((await held).status).toBe(201)
      expect(await gateway.ended).toBe(0)
      expect(gateway.errors()).toBe('')
    },
  )

  test.each([
    ['SIGTERM', 'SIGTERM'],
    ['SIGINT', 'SIGTERM'],
  ] as const)('signals: %s and then %s end the process at once', async (first, second) => {
    const { emulator, gateway, begin } = await startProcess()
    emulator.controls.force('begin-multipart', { delayMs: 3_600_000 })
    const lost = expect(begin()).rejects.toThrow()
    await reached(emulator, 'begin-multipart')
    gateway.child.kill(first)
    await gateway.line((line) => line.includes('"event":"stopping"'))
    gateway.child.kill(second)
    expect(await gateway.ended).toBe(second)
    await lost
    expect(gateway.output()).not.toContain('stopped')
  })

  test('SIGUSR1: opens no inspector, with npm start and with the installed command', async () => {
    const [firstLine = ''] = (await readFile('src/command/main.ts', 'utf8')).split('\n', 1)
    const flags = /^#!.*\bnode (.+)$/.exec(firstLine)?.[1]?.split(' ') ?? []
    const { scripts } = JSON.parse(await readFile('package.json', 'utf8'))
    expect(scripts.start).toContain(`node ${flags.join(' ')} `)
    const { gateway, begin } = await startProcess({}, flags)
    gateway.child.kill('SIGUSR1')
    expect((await begin()).status).toBe(201)
    gateway.child.kill('SIGTERM')
    expect(await gateway.ended).toBe(0)
    expect(gateway.errors()).toBe('')
  })

  test('log: every line is written before the process ends', async () => {
    const { ended, output } = run('test/support/log-burst.ts', {})
    expect(await ended).toBe(0)
    expect(output().match(/"count":\d+/g)).toHaveLength(65)
  })

  test('log: with a full disk the process serves requests and ends in time', async () => {
    const port = await freePort()
    const { child, ended } = await startWithFullDisk(port)
    const url = `http://127.0.0.1:${port}`
    await expect.poll(() => knock(url), { timeout: 10_000 }).toBe(200)
    for (let times = 0; times < 200; times += 1) expect(await knock(url)).toBe(200)
    child.kill('SIGTERM')
    expect(await ended).toBe(0)
  })

  test.each([
    ['SIGTERM', 'SIGTERM' as const],
    ['a crash', 'SIGUSR2' as const],
  ])('log: without a reader the process ends within 11 seconds of %s', async (_, signal) => {
    const { child, url, ended } = await startWithStalledReader()
    const startedAt = performance.now()
    child.kill(signal)
    expect(await ended).toBe('SIGKILL')
    expect(performance.now() - startedAt).toBeLessThan(11_000)
    expect(await knock(url)).toBe('ECONNREFUSED')
  })

  test.each(['a full disk', 'a stalled reader'])(
    'log: memory stays constant over 100,000 lines into %s',
    async (destination) => {
      const out = destination === 'a full disk' ? await open('/dev/full', 'w') : await openPipe()
      const child = spawn(process.execPath, ['--expose-gc', 'test/support/log-flood.ts'], {
        stdio: ['ignore', out.fd, 'pipe'],
      })
      onTestFinished(() => void child.kill('SIGKILL'))
      const [said] = await once(child.stderr!.setEncoding('utf8'), 'data')
      if ('close' in out) await out.close()
      const { grownBytes, dropped } = JSON.parse(said)
      expect(dropped).toBeGreaterThan(90_000)
      expect(grownBytes).toBeLessThan(10 * 1024 * 1024)
    },
  )

  test('log: when its reader continues, one line reports the number of dropped lines', async () => {
    const pipe = await openPipe()
    const child = spawn(process.execPath, ['test/support/log-flood.ts'], {
      stdio: ['ignore', pipe.fd, 'pipe'],
    })
    onTestFinished(() => void child.kill('SIGKILL'))
    const [said] = await once(child.stderr!.setEncoding('utf8'), 'data')
    const { dropped } = JSON.parse(said)
    const text = await pipe.readUntil('"event":"log_lines_dropped"')
    const lines = text.trim().split('\n')
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ level: 'warn', count: dropped })
    expect(lines.filter((line) => line.includes('"event":"request"'))).toHaveLength(
      120_000 - dropped,
    )
  })

  test('log: each request is one JSON line', async () => {
    const { gateway, begin } = await startProcess()
    const response = await begin()
    const line = await gateway.line((text) => text.includes('"event":"request"'))
    expect(JSON.parse(line)).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      event: 'request',
      requestId: response.headers.get('x-request-id'),
      operation: 'beginUpload',
      method: 'POST',
      status: 201,
      durationMs: expect.any(Number),
    })
  })

  test('metrics: only the admin port serves them', async () => {
    const { emulator, url, address, begin } = await startProcess({ ADMIN_PORT: '0' })
    await begin()
    const adminUrl = await address('metrics_listening')
    const read = async () => (await fetch(`${adminUrl}/metrics`)).text()
    const metrics = await read()
    expect(metrics).toContain(
      'gateway_request_duration_seconds_count{operation="beginUpload",status="201"} 1',
    )
    expect(metrics).toContain(
      'gateway_smh_call_duration_seconds_count{operation="mint-token",outcome="ok"} 1',
    )
    expect(metrics).toContain('gateway_smh_circuit_open 0')
    expect(metrics).toContain('gateway_log_lines_dropped_total 0')
    emulator.controls.expireToken()
    emulator.controls.force('mint-token', { status: 500, times: Number.POSITIVE_INFINITY })
    for (let failure = 0; failure < 3; failure += 1) await begin()
    expect(await read()).toContain('gateway_smh_circuit_open 1')
    expect((await fetch(`${url}/metrics`)).status).toBe(404)
    expect((await fetch(`${adminUrl}/v1/uploads`)).status).toBe(404)
    expect((await fetch(`${adminUrl}/metrics?a=1`)).status).toBe(200)
    expect((await fetch(`${adminUrl}/metrics`, { method: 'HEAD' })).status).toBe(200)
  })

  test('start: logs once that the gateway is ready', async () => {
    const { gateway } = await startProcess()
    const line = await gateway.line((text) => text.includes('"event":"start_check'))
    expect(JSON.parse(line)).toMatchObject({ level: 'info', event: 'start_check_passed' })
  })

  test.each([
    ['a wrong issuer', { JWT_ISSUER: 'http://127.0.0.1:1' }, 'JWT_ISSUER'],
    ['a wrong key set', { JWT_JWKS_URL: 'http://127.0.0.1:1/keys' }, 'JWT_JWKS_URL'],
    ['no usable key', { JWT_ALGORITHMS: 'RS256' }, 'JWT_ALGORITHMS'],
    ['a wrong secret', { SMH_LIBRARY_SECRET: 'canary-secret' }, 'SMH_LIBRARY_SECRET'],
    ['an unreachable SMH', { SMH_ENDPOINT: 'http://127.0.0.1:1' }, 'SMH_ENDPOINT'],
  ])('start: logs what to fix: %s', async (_, environment, variable) => {
    const { gateway, url } = await startProcess(environment as Record<string, string>)
    const line = await gateway.line((text) => text.includes('"event":"start_check'))
    expect(JSON.parse(line)).toMatchObject({ level: 'error', event: 'start_check_failed' })
    expect(JSON.parse(line).advice).toContain(variable)
    expect(gateway.output()).not.toMatch(/canary|127\.0\.0\.1:1\b/)
    expect(await knock(url)).toBe(200)
  })

  test('metrics: responses with 401 are counted by reason', async () => {
    const { url, address, issuer } = await startProcess({ ADMIN_PORT: '0' })
    const send = (authorization: string) =>
      fetch(`${url}/v1/uploads/x`, { headers: { authorization } })
    await send('')
    await send(`Bearer ${await issuer.forgedToken({ sub: 'ann' })}`)
    await send(`Bearer ${await issuer.token({ sub: 'ann', expiresInSeconds: -60 })}`)
    const metrics = await (await fetch(`${await address('metrics_listening')}/metrics`)).text()
    for (const [reason, count] of Object.entries({
      missing_token: 1,
      unknown_key: 1,
      expired: 1,
      audience: 0,
    })) {
      expect(metrics).toContain(
        `gateway_authentication_failures_total{reason="${reason}"} ${count}\n`,
      )
    }
  })

  test('metrics: only the names of counters end in _total', async () => {
    const { address } = await startProcess({ ADMIN_PORT: '0' })
    const metrics = await (await fetch(`${await address('metrics_listening')}/metrics`)).text()
    const types = [...metrics.matchAll(/^# TYPE (\w+) (\w+)$/gm)]
    expect(types.length).toBeGreaterThan(30)
    for (const [, name, type] of types) {
      expect({ name, total: name?.endsWith('_total') }).toEqual({ name, total: type === 'counter' })
    }
  })

  test('start: an older Node gets the required version, before any import', async () => {
    const older = `Object.defineProperty(process, 'versions', { value: { node: '22.18.0' } })`
    const gateway = run('src/gateway/runtimes/node/main.ts', {
      NODE_OPTIONS: `--import="data:text/javascript,${older}"`,
    })
    expect(await gateway.ended).toBe(1)
    expect(gateway.errors()).toBe(
      'smh-upload-gateway needs Node 22.19 or newer; this is Node 22.18.0.\n',
    )
    const { engines } = JSON.parse(await readFile('package.json', 'utf8'))
    expect(engines.node).toBe('>=22.19')
  })

  test('start: an invalid configuration stops it, and names what to fix', async () => {
    const secret = 'canary-of-the-secret'
    const gateway = run('src/gateway/runtimes/node/main.ts', {
      SMH_LIBRARY_ID: 'smh0library',
      SMH_LIBRARY_SECRET: secret,
      JWT_ISSUER: 'http://issuer.example',
      PORT: 'many',
    })
    expect(await gateway.ended).toBe(1)
    for (const name of ['JWT_ISSUER', 'JWT_AUDIENCE', 'UPLOAD_PATH_PREFIX', 'PORT']) {
      expect(gateway.errors()).toContain(name)
    }
    expect(gateway.errors()).not.toContain('SMH_LIBRARY_ID')
    for (const value of [secret, 'issuer.example', 'many']) {
      expect(gateway.errors()).not.toContain(value)
    }
    expect(gateway.errors()).not.toContain('    at ')
  })

  test.each([
    [{}, 'PORT'],
    [{ PORT: '0' }, 'ADMIN_PORT'],
  ])('start: names the variable of a port in use: %j', async (ports, variable) => {
    const taken = createServer().listen(0, '127.0.0.1')
    onTestFinished(() => void taken.close())
    await new Promise((resolve) => taken.once('listening', resolve))
    const { port } = taken.address() as { port: number }
    const gateway = run('src/gateway/runtimes/node/main.ts', {
      SMH_LIBRARY_ID: 'smh0library',
      SMH_LIBRARY_SECRET: 'secret',
      JWT_ISSUER: 'https://issuer.example',
      JWT_AUDIENCE: 'uploads',
      UPLOAD_PATH_PREFIX: '/',
      [variable]: String(port),
      ...ports,
    })
    expect(await gateway.ended).toBe(1)
    expect(gateway.errors()).toContain('EADDRINUSE')
    expect(gateway.errors()).toContain(`, ${variable} ${port}: `)
  })

  test('start: logs unknown variables with a prefix of the gateway', async () => {
    const { gateway } = await startProcess({ UPLOAD_MAX_BYTE: '5' })
    const line = await gateway.line((text) => text.includes('unknown_variables'))
    expect(JSON.parse(line)).toMatchObject({ level: 'warn', variables: ['UPLOAD_MAX_BYTE'] })
  })
})
