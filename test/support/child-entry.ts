import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { parseConfig } from '../../src/gateway/config/parse.ts'
import type { LogLevel, LogRecord } from '../../src/gateway/ports.ts'
import { type RunningGateway, startGateway } from '../../src/gateway/runtimes/node/start.ts'

/** Starts a gateway, or without `start` closes it. */
export interface ParentMessage {
  id: number
  start?: {
    environment: Record<string, string>
    bodyTimeoutMs: number | undefined
    /** By how much the clocks have moved and the date was set, milliseconds. */
    clockFile: string
  }
}

/** A record of a gateway's log; otherwise the answer to a message. */
export interface ChildMessage {
  id: number
  record?: LogRecord & { level: LogLevel }
  url?: string
  error?: string
}

/** Runs gateways on the runtime of this process, as its standard input says, by a line of JSON each. */
const gateways = new Map<number, RunningGateway>()

function tell(message: ChildMessage): void {
  process.stdout.write(`${JSON.stringify(message)}\n`)
}

async function start(id: number, options: NonNullable<ParentMessage['start']>): Promise<void> {
  const { environment, bodyTimeoutMs, clockFile } = options
  const moved = (): [number, number] => JSON.parse(readFileSync(clockFile, 'utf8'))
  try {
    const gateway = await startGateway({
      config: parseConfig({ PORT: '0', ...environment }),
      clock() {
        const [movedMs, setMs] = moved()
        return Date.now() + movedMs + setMs
      },
      monotonicClock: () => performance.now() + moved()[0],
      log: (level, record) => tell({ id, record: { level, ...record } }),
      bodyTimeoutMs,
      idleMs: 0,
    })
    gateways.set(id, gateway)
    tell({ id, url: gateway.url })
  } catch (error) {
    tell({ id, error: (error as Error).message })
  }
}

async function close(id: number): Promise<void> {
  await gateways.get(id)?.close()
  gateways.delete(id)
  tell({ id })
}

const input = createInterface({ input: process.stdin })
input.on('line', (line) => {
  const message = JSON.parse(line) as ParentMessage
  if (message.start) void start(message.id, message.start)
  else void close(message.id)
})
input.once('close', () => process.exit(0))
