/** Loaded into a process before its own code: it tells its parent of its heap when it is asked. */
process.on('message', async () => {
  for (let round = 0; round < 4; round += 1) {
    globalThis.gc?.()
    // What a collection finalizes is let go of by the next one.
    await new Promise((resolve) => setImmediate(resolve))
  }
  process.send?.(process.memoryUsage())
})
process.channel?.unref()
