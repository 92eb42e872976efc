// Preloaded into every measured server: says what the process has used so far, when it is asked.
process.on('message', (asked) => {
  if (asked !== 'usage') return
  const { user, system } = process.cpuUsage()
  process.send({ cpuMicroseconds: user + system, rssBytes: process.memoryUsage.rss() })
})
// Who has lost its bench would be left behind.
process.on('disconnect', () => process.exit())
