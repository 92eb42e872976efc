import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { type Language, languages } from './languages.ts'
import { isInstalled, runCommand, runMaven } from './run-command.ts'
import { type Services, startServices } from './services.ts'

const GENERATOR = 'openapi-generator-cli'
const GENERATOR_VERSION = '7.25.0'
/** Generators read 3.0 in full; for 3.1 most of them say that it is in beta. */
const document = join(import.meta.dirname, '../openapi-3.0.json')

const MOVIE_BYTES = 3 * 1024 ** 3

const columns = ['generated', 'compiled', 'begin of 3 GiB', 'instant upload typed', 'problem typed']

/** `failed` is what the exit status counts. */
type Cell = 'yes' | 'FAILED' | 'read' | '-'

/**
 * Generates clients from the published document, compiles them, and runs a small program of each against
 * the gateway and the emulator: `npm run openapi:clients`, or with names of languages behind `--`.
 */
const failures = await main(process.argv.slice(2))
process.exitCode = Math.min(failures, 255)

async function main(names: string[]): Promise<number> {
  const unknown = names.filter((name) => !languages.some((language) => language.name === name))
  if (unknown.length > 0) {
    print(
      `Unknown: ${unknown.join(', ')}. There are: ${languages.map(({ name }) => name).join(', ')}.`,
    )
    return 1
  }
  const wanted = languages.filter(({ name }) => names.length === 0 || names.includes(name))
  const possible = wanted.filter((language) => {
    const missing = language.needs.filter(([command, argument]) => !isInstalled(command, argument))
    if (missing.length === 0) return true
    print(`${language.name}: skipped, needs ${missing.map(([command]) => command).join(' and ')}`)
    return false
  })
  if (possible.length === 0) return 0

  const folder = await mkdtemp(join(tmpdir(), 'smh-clients-'))
  const rows: [string, Cell[]][] = []
  try {
    const jar = await fetchGenerator(folder)
    const services = await startServices()
    try {
      for (const language of possible) {
        rows.push([
          language.name,
          await tryLanguage(language, jar, join(folder, language.name), services),
        ])
      }
    } finally {
      await services.close()
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  print(`\n| | ${columns.join(' | ')} |\n|${' --- |'.repeat(columns.length + 1)}`)
  for (const [name, cells] of rows) print(`| ${name} | ${cells.join(' | ')} |`)
  if (rows.some(([, cells]) => cells.includes('read'))) {
    print('\n`read`: not compiled; the types stand in the generated source.')
  }
  return rows.flatMap(([, cells]) => cells).filter((cell) => cell === 'FAILED').length
}

async function fetchGenerator(folder: string): Promise<string> {
  const args = [
    'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy',
    `-Dartifact=org.openapitools:${GENERATOR}:${GENERATOR_VERSION}`,
    `-DoutputDirectory=${folder}`,
  ]
  await runMaven(args, folder)
  return join(folder, `${GENERATOR}-${GENERATOR_VERSION}.jar`)
}

async function tryLanguage(
  language: Language,
  jar: string,
  folder: string,
  services: Services,
): Promise<Cell[]> {
  const cells: Cell[] = ['FAILED', '-', '-', '-', '-']
  try {
    const generate = ['-jar', jar, 'generate', '-i', document, '-o', folder, '-g']
    await runCommand({ command: 'java', args: [...generate, ...language.generator], cwd: tmpdir() })
    cells[0] = 'yes'
    if (language.declares)
      return [...cells.slice(0, 2), ...(await readTypes(language.declares, folder))]
    if (!language.compile) return cells

    cells[1] = 'FAILED'
    const program = await language.compile(folder)
    cells[1] = 'yes'

    cells.fill('FAILED', 2)
    const output = await runCommand({ ...program, environment: services.environment })
    return [...cells.slice(0, 2), ...(await judge(output, services, language.name))]
  } catch (error) {
    print(`${language.name}: ${error instanceof Error ? error.message : error}`)
    return cells
  }
}

/** Holds what a program printed from its typed values against what the gateway knows. */
async function judge(output: string, services: Services, name: string): Promise<Cell[]> {
  const said = new Map(
    output.split('\n').map((line) => {
      const [key = '', value = ''] = line.split(/=(.*)/s)
      return [key.trim(), value.trim()]
    }),
  )
  const value = (key: string) => said.get(key) ?? ''
  const begin =
    value('begin.uploadId') !== '' &&
    value('begin.authorization').startsWith('q-sign-algorithm=') &&
    value('begin.location') === `/v1/uploads/${value('begin.confirmKey')}` &&
    Date.parse(value('begin.expires')) > Date.now() &&
    (await services.sizeOf(value('begin.confirmKey'))) === MOVIE_BYTES
  const instant =
    value('instant.first') === 'full_hash_required' &&
    value('instant.second') === 'stored' &&
    value('instant.size') === String(services.knownSize) &&
    value('instant.third') === 'upload_required' &&
    (await services.sizeOf(value('instant.confirmKey'))) === services.knownSize
  const problem =
    value('problem.status') === '400' &&
    value('problem.code') === 'invalid_request' &&
    value('problem.field') === 'path'
  const cells = [begin, instant, problem].map((good): Cell => (good ? 'yes' : 'FAILED'))
  if (cells.includes('FAILED')) print(`${name} printed:\n${output}`)
  return cells
}

async function readTypes(
  declares: NonNullable<Language['declares']>,
  folder: string,
): Promise<Cell[]> {
  const files = await readdir(folder, { recursive: true })
  const cells: Cell[] = []
  for (const column of ['begin', 'instant', 'problem'] as const) {
    let cell: Cell = 'read'
    for (const [name, text] of declares[column]) {
      const found = files.find((file) => basename(file) === name)
      if (found && (await readFile(join(folder, found), 'utf8')).includes(text)) continue
      print(`${name} does not declare: ${text}`)
      cell = 'FAILED'
    }
    cells.push(cell)
  }
  return cells
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
