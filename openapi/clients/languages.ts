import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { type Command, runCommand, runMaven } from './run-command.ts'

/** One language: how its client is generated, compiled and run. */
export interface Language {
  name: string
  /** The generator's name, library and options. */
  generator: readonly string[]
  /** Commands that have to be installed, each with the argument that asks for its version. */
  needs: readonly (readonly [command: string, versionArgument: string])[]
  /** Compiles the client with the program; gives the command that runs it. Absent: no compiler here. */
  compile?: (folder: string) => Promise<Command>
  /** Declarations that the generated sources must hold, by the column of the table that they are for. */
  declares?: Record<
    'begin' | 'instant' | 'problem',
    readonly (readonly [file: string, text: string])[]
  >
}

const here = import.meta.dirname
const java = ['java', '-version'] as const
const maven = ['mvn', '-version'] as const
/** In the order of the table. */
export const languages: readonly Language[] = [
  {
    name: 'kotlin',
    generator: ['kotlin', '--library', 'jvm-okhttp4'],
    needs: [java, maven],
    compile: (folder) => compileByMaven(folder, 'kotlin', 'Program.kt', 'ProgramKt'),
  },
  {
    name: 'java',
    generator: ['java', '--library', 'native'],
    needs: [java, maven],
    compile: (folder) => compileByMaven(folder, 'java', 'Program.java', 'Program'),
  },
  {
    name: 'go',
    generator: [
      'go',
      '--git-host',
      'example.com',
      '--git-user-id',
      'smh',
      '--git-repo-id',
      'client',
    ],
    needs: [java, maven, ['go', 'version']],
    async compile(folder) {
      const program = join(folder, 'program')
      await cp(join(here, 'go'), program, { recursive: true })
      await runCommand({ command: 'go', args: ['vet', '.', './program'], cwd: folder })
      await runCommand({ command: 'go', args: ['build', '-o', 'run', './program'], cwd: folder })
      return { command: join(folder, 'run'), args: [], cwd: folder }
    },
  },
  {
    name: 'python',
    generator: ['python'],
    needs: [java, maven, ['python3', '--version']],
    async compile(folder) {
      await cp(join(here, 'python'), folder, { recursive: true })
      await runCommand({ command: 'python3', args: ['-m', 'venv', 'venv'], cwd: folder })
      const python = join(folder, 'venv', 'bin', 'python')
      const install = ['-m', 'pip', 'install', '--quiet', '-r', 'requirements.txt']
      await runCommand({ command: python, args: install, cwd: folder })
      const compileAll = ['-m', 'compileall', '-q', 'openapi_client', 'program.py']
      await runCommand({ command: python, args: compileAll, cwd: folder })
      return { command: python, args: ['program.py'], cwd: folder }
    },
  },
  {
    name: 'typescript',
    generator: ['typescript-fetch', '--additional-properties', 'importFileExtension=.js'],
    needs: [java, maven],
    async compile(folder) {
      const root = `${folder}-program`
      await cp(folder, join(root, 'client'), { recursive: true })
      await cp(join(here, 'typescript'), root, { recursive: true })
      await writeFile(join(root, 'package.json'), '{ "type": "module" }\n')
      const types = join(here, '../../node_modules/@types')
      const settings = {
        compilerOptions: {
          strict: true,
          target: 'es2024',
          module: 'nodenext',
          lib: ['es2024', 'dom'],
          types: ['node'],
          typeRoots: [types],
          skipLibCheck: true,
          outDir: 'out',
        },
        files: ['program.ts'],
      }
      await writeFile(join(root, 'tsconfig.json'), JSON.stringify(settings))
      const tsc = join(here, '../../node_modules/.bin/tsc')
      await runCommand({ command: tsc, args: ['-p', root], cwd: root })
      return { command: process.execPath, args: [join(root, 'out/program.js')], cwd: root }
    },
  },
  {
    name: 'swift',
    generator: ['swift6'],
    needs: [java, maven],
    declares: {
      begin: [
        ['BeginUpload.swift', 'public var size: Int64'],
        ['UploadCredentials.swift', 'public var uploadId: String?'],
        [
          'UploadsAPI.swift',
          'func beginUpload(beginUpload: BeginUpload, idempotencyKey: String? = nil, ' +
            'apiConfiguration: OpenAPIClientAPIConfiguration = ' +
            'OpenAPIClientAPIConfiguration.shared) async throws(ErrorResponse) -> UploadCredentials',
        ],
      ],
      instant: [
        ['InstantUploadResult.swift', 'public var outcome: Outcome'],
        ['InstantUploadResult.swift', 'public var file: StoredFile?'],
      ],
      problem: [
        ['Problem.swift', 'public var code: String'],
        ['Problem.swift', 'public var errors: [FieldError]?'],
      ],
    },
  },
  {
    name: 'dart',
    generator: ['dart-dio'],
    needs: [java, maven],
    declares: {
      begin: [
        ['begin_upload.dart', 'int get size;'],
        ['upload_credentials.dart', 'String? get uploadId;'],
        ['uploads_api.dart', 'Future<Response<UploadCredentials>> beginUpload('],
      ],
      instant: [
        ['instant_upload_result.dart', 'InstantUploadResultOutcomeEnum get outcome;'],
        ['instant_upload_result.dart', 'StoredFile? get file;'],
      ],
      problem: [
        ['problem.dart', 'String get code;'],
        ['problem.dart', 'BuiltList<FieldError>? get errors;'],
      ],
    },
  },
]

/** Compiles by the small pom beside the program: a generated one also formats, signs and publishes. */
async function compileByMaven(
  folder: string,
  language: 'kotlin' | 'java',
  program: string,
  mainClass: string,
): Promise<Command> {
  const sources = join(folder, 'src/main', language)
  await mkdir(sources, { recursive: true })
  await cp(join(here, language, program), join(sources, program))
  await cp(join(here, language, 'pom.xml'), join(folder, 'pom.xml'))
  const list = join(folder, 'classpath.txt')
  await runMaven(
    [
      'compile',
      'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath',
      `-Dmdep.outputFile=${list}`,
    ],
    folder,
  )
  const classpath = [join(folder, 'target/classes'), (await readFile(list, 'utf8')).trim()]
  return { command: 'java', args: ['-cp', classpath.join(delimiter), mainClass], cwd: folder }
}
