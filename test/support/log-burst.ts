import { createNodeLog } from '../../src/gateway/runtimes/node/log.ts'

/** Logs so much that a write is under way when the last lines come, and ends at once. */
const { log, end } = createNodeLog('info')
for (let number = 1; number <= 65; number += 1) log('info', { event: 'request', count: number })
await end()
process.exit(0)
