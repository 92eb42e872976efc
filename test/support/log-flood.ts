import { createNodeLog } from '../../src/gateway/runtimes/node/log.ts'

/**
 * Logs 20,000 lines, as many as may wait, and then 100,000 more; says on standard error by how much the
 * memory has grown since, and how many lines were dropped. Then it stays.
 */
const { log, droppedLines } = createNodeLog('info')

async function logLines(count: number) {
  for (let number = 0; number < count; number += 1) {
    log('info', {
      event: 'request',
      requestId: '066b8937-3d7d-42a8-8bf0-b9a0bb9cfb6f',
      operation: 'beginUpload',
      method: 'POST',
      status: 201,
      durationMs: 33.6,
    })
    // As between two requests.
    if (number % 100 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  globalThis.gc?.()
}

await logLines(20_000)
const before = process.memoryUsage()
await logLines(100_000)
const after = process.memoryUsage()
const grownBytes = Math.max(after.rss - before.rss, after.heapUsed - before.heapUsed)
process.stderr.write(JSON.stringify({ grownBytes, dropped: droppedLines() }))
setInterval(() => {}, 1000)
