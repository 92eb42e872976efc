import { describe, expect, test } from 'vitest'
import { run } from '../support/process.ts'

const runCommand = (...args: string[]) => run('src/command/main.ts', {}, args)

describe('smh-upload-gateway', () => {
  test.each([[[]], [['start']]])(
    '%j starts the gateway, which rejects an empty environment',
    async (args) => {
      const { ended, errors } = runCommand(...args)
      expect(await ended).toBe(1)
      expect(errors()).toContain('SMH_LIBRARY_ID')
    },
  )

  test.each([['--help'], ['-h'], ['start --help']])('%s lists the subcommands', async (line) => {
    const { ended, output, errors } = runCommand(...line.split(' '))
    expect(await ended).toBe(0)
    expect(errors()).toBe('')
    expect(output()).toMatch(/\[start\].*\n.* emulator /)
  })

  test('emulator --help lists the options of the emulator', async () => {
    const { ended, output } = runCommand('emulator', '--help')
    expect(await ended).toBe(0)
    expect(output()).toContain('--smh-port')
  })

  test.each([
    [['emulate'], 'command: "emulate"'],
    [['\u001b[2J\n'], 'command: "\\u001b[2J\\n"'],
    [['--port=80'], 'command: "--port=80"'],
    [['start', '80'], 'argument of start: "80"'],
  ])('%j is rejected in one line with status 2', async (args, what) => {
    const { ended, output, errors } = runCommand(...args)
    expect(await ended).toBe(2)
    expect(output()).toBe('')
    expect(errors()).toBe(`smh-upload-gateway: unknown ${what}. See smh-upload-gateway --help.\n`)
  })
})
