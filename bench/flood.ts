import { pace } from './pace.ts'

/** A process that sends what it is told to, so that who takes the time does not do so in a flood. */
process.on('message', async (options: Parameters<typeof pace>[0]) => {
  const { statuses } = await pace(options)
  process.send?.(statuses)
})
