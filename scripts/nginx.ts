/**
 * `npm run test:nginx`: restarts two gateways in turns behind nginx, with the documented configuration,
 * while clients begin uploads without a pause. Takes half a minute. Prints the number of failed requests;
 * exits 1 when one fails. Needs nginx (Debian: `apt-get install nginx-light`).
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startDemoIssuer } from '../src/demo/demo-users.ts'
import { environmentOf } from '../src/demo/environment.ts'
import { startEmulator } from '../src/emulator/start.ts'
import { startGatewayProcess } from '../test/chaos/gateway-process.ts'
import { codeBlocks } from '../test/support/documents.ts'
import { freePort } from '../test/support/free-port.ts'

const CLIENTS = 20
const ROUNDS = 3

const [emulator, issuer] = await Promise.all([startEmulator(), startDemoIssuer()])
const incidents: string[] = []
const environment = () => ({ ...environmentOf({ emulator, issuer }), RATE_LIMIT_PER_MINUTE: '0' })
const startInstance = () => startGatewayProcess(environment, (incident) => incidents.push(incident))
const instances = await Promise.all([startInstance(), startInstance()])
await Promise.all(instances.map((instance) => instance.up()))

const directory = await mkdtemp(join(tmpdir(), 'nginx-'))
const port = await freePort()
await writeFile(join(directory, 'nginx.conf'), configuration())
const nginx = spawn('nginx', ['-p', directory, '-c', 'nginx.conf'], {
  stdio: ['ignore', 'ignore', 'inherit'],
})
nginx.once('error', () => {
  process.stderr.write('nginx is missing. Install it (Debian: apt-get install nginx-light).\n')
  process.exit(1)
})
const url = `http://127.0.0.1:${port}`
while (!(await fetch(`${url}/livez`).catch(() => undefined))?.ok) {
  if (nginx.exitCode !== null) process.exit(1)
}

const statuses = new Map<number | string, number>()
let isOver = false
const clients = Array.from({ length: CLIENTS }, async (_, client) => {
  const token = await issuer.token({ sub: `user-${client}` })
  for (let number = 0; !isOver; number += 1) {
    const status = await begin(token, `file-${number}`)
    statuses.set(status, (statuses.get(status) ?? 0) + 1)
  }
})
for (let round = 0; round < ROUNDS; round += 1) {
  for (const instance of instances) {
    await instance.stop()
    await instance.up()
  }
}
isOver = true
await Promise.all(clients)

nginx.kill('SIGQUIT')
await once(nginx, 'exit')
await Promise.all(instances.map((instance) => instance.close()))
await Promise.all([emulator.close(), issuer.close(), rm(directory, { recursive: true })])
const all = [...statuses.values()].reduce((sum, count) => sum + count, 0)
const failed = all - (statuses.get(201) ?? 0)
process.stdout.write(`${failed} of ${all} requests failed in ${2 * ROUNDS} restarts\n`)
if (failed > 0) process.stdout.write(`${JSON.stringify([...statuses])}\n`)
for (const incident of incidents) process.stdout.write(`${incident}\n`)
process.exit(failed > 0 || incidents.length > 0 ? 1 : 0)

async function begin(token: string, path: string): Promise<number | string> {
  try {
    const response = await fetch(`${url}/v1/uploads`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ path, size: 1 }),
    })
    await response.text()
    return response.status
  } catch (error) {
    return (error as Error).message
  }
}

/** The configuration of docs/operating.md with other ports and without TLS, as a whole file. */
function configuration(): string {
  const [block = ''] = codeBlocks('docs/operating.md', 'nginx')
  const [first, second] = instances.map((instance) => new URL(instance.url).host)
  const server = block
    .replace('127.0.0.1:8787', first ?? '')
    .replace('127.0.0.1:8788', second ?? '')
    .replace('443 ssl', `127.0.0.1:${port}`)
    .replaceAll(/ *ssl_certificate.*\n/g, '')
  return `daemon off;
pid nginx.pid;
error_log stderr crit;
events {}
http {
access_log off;
client_body_temp_path body;
proxy_temp_path proxy;
fastcgi_temp_path fastcgi;
uwsgi_temp_path uwsgi;
scgi_temp_path scgi;
${server}}
`
}
