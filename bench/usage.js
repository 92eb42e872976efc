// Preloaded into every measured server: reports CPU time and memory on request.
process.on('message', (asked) => {
  if (asked !== 'usage') return
  const { user, system } = process.cpuUsage()
  process.send({ cpuMicroseconds: user + system, rssBytes: process.memoryUsage.rss() })
})
// Ends with the benchmark: otherwise the process would stay behind.
process.on('disconnect', () => process.exit())
