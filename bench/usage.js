// Preloaded into every measured server: reports CPU time and memory on request.
process.on('message', (asked) => {
  if (asked !== 'usage') return
  const { user, system } = process.cpuUsage()
  process.send({ cpuMicroseconds: user + system, rssBytes: process.memoryUsage.rss() })
})
// Node writes a CPU profile when a process exits, but not when a signal ends it.
if (process.execArgv.includes('--cpu-prof')) process.once('SIGTERM', () => process.exit())
// Ends with the benchmark: otherwise the process would stay behind.
process.on('disconnect', () => process.exit())
