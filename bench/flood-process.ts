import { openLoopLoad } from './open-loop-load.ts'

/** Sends the load that its parent requests, so that the parent's measurements do not share its event loop. */
process.on('message', async (options: Parameters<typeof openLoopLoad>[0]) => {
  const { statuses } = await openLoopLoad(options)
  process.send?.(statuses)
})
