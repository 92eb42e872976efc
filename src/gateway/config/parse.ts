import type { ConflictStrategy } from './formats.ts'
import type { Reading } from './readers.ts'
import type { Secret } from './secret.ts'
import {
  configVariables,
  type Runtime,
  type Values,
  type Variable,
  variableList,
} from './variables.ts'

export type { ConflictStrategy }

/** The values of all variables, with those of a few combined. */
export type Config = ReturnType<typeof toConfig>
export type SmhConfig = Config['smh']
export type JwtConfig = Config['jwt']
export type UploadRules = Config['upload']

type SmhCredential =
  | { kind: 'library-secret'; secret: Secret }
  | { kind: 'access-token'; token: Secret }

type SpaceSource = { kind: 'fixed'; id: string } | { kind: 'claim'; claim: string }

/** The first secret signs, and all of them verify. `derived`: from the library secret, by HKDF. */
export type ConfirmKeyConfig =
  | { kind: 'given'; secrets: readonly Secret[] }
  | { kind: 'derived'; from: Secret }

/** A variable that is missing or invalid. Never holds a value. */
export interface ConfigIssue {
  variable: string
  /** Completes the sentence that starts with the variable's name, such as "must be true or false". */
  message: string
}

/** {@link parseConfig} throws it. The message is for operators and has one line for each issue. */
export class ConfigurationError extends Error {
  readonly issues: readonly ConfigIssue[]

  constructor(issues: readonly ConfigIssue[]) {
    const lines = issues.map(({ variable, message }) => `  ${variable} ${message}`)
    super(`The configuration is not valid:\n${lines.join('\n')}`)
    this.name = 'ConfigurationError'
    this.issues = issues
  }
}

type Environment = Readonly<Record<string, unknown>>

/**
 * Reads the configuration from environment variables on Node, or from bindings on Workers. A blank value
 * counts as unset, and spaces around a value are dropped. A number or boolean, which a Workers var may
 * be, counts as its text.
 *
 * @param runtime variables without an effect there are ignored
 * @throws ConfigurationError with every variable that is missing, invalid or in conflict with another.
 *   It never holds a value.
 */
export function parseConfig(environment: Environment, runtime: Runtime = 'node'): Config {
  const given = readGiven(environment, runtime)
  const issues: ConfigIssue[] = []
  const values: Record<string, Record<string, unknown>> = {}
  for (const variable of variableList) {
    const reading = readVariable(variable, given[variable.name])
    const value = 'value' in reading ? reading.value : undefined
    values[variable.group] = { ...values[variable.group], [variable.key]: value }
    if ('issue' in reading) issues.push({ variable: variable.name, message: reading.issue })
  }
  // Listed together with the issues of single variables, so that one start shows all of them.
  issues.push(...findConflicts(given, values as Values))
  if (issues.length > 0) throw new ConfigurationError(issues)
  return toConfig(values as Values)
}

/**
 * Names in `environment` that resemble ours but are unknown, sorted. Most are typing errors. Values
 * without a text are skipped, because a Workers binding may have any name.
 */
export function unknownVariables(environment: Environment): string[] {
  return Object.keys(environment)
    .filter((name) => !configVariables.includes(name) && isPlain(environment[name]))
    .filter((name) => ourPrefixes.some((prefix) => letters(name).startsWith(prefix)))
    .sort()
}

const letters = (name: string) => name.toUpperCase().replaceAll('_', '')

/**
 * The first word of names in the groups that share one. Of other names the first letters, because other
 * programs have variables such as LOG_FILE.
 */
const ourPrefixes = variableList
  .filter(({ name }) => name.includes('_'))
  .map(({ name, group }) =>
    group === 'gateway' ? letters(name).slice(0, 8) : (name.split('_')[0] as string),
  )

/** A Workers var may be a number or boolean. */
const isPlain = (value: unknown) => ['string', 'number', 'boolean'].includes(typeof value)

/** The values in `environment` of the variables of `runtime`, without blank ones. */
function readGiven(environment: Environment, runtime: Runtime): Environment {
  const given: Record<string, unknown> = {}
  for (const { name, runtimes } of variableList) {
    const value = environment[name]
    const text = isPlain(value) ? String(value).trim() : value
    const isUnset = text === undefined || text === null || text === ''
    if (!isUnset && (runtimes?.includes(runtime) ?? true)) given[name] = text
  }
  return given
}

/** Quotes stay in a value when the program that reads the file does not know the shell's rules. */
const inQuotes = /^(["']).*\1$/s

function readVariable({ reader, default: fallback }: Variable, given: unknown): Reading<unknown> {
  if (given === undefined) {
    if (typeof fallback === 'string') return reader.read(fallback)
    if ('unset' in fallback) return { value: fallback.value }
    // `unless` is a rule between variables.
    return fallback.unless ? { value: undefined } : { issue: `is required: ${reader.expected}` }
  }
  if (typeof given !== 'string') return { issue: `must be ${reader.expected}` }
  if (inQuotes.test(given)) return { issue: `must be ${reader.expected}, without quotes around it` }
  return reader.read(given)
}

/** Issues between variables. */
function findConflicts(given: Environment, { gateway }: Values): ConfigIssue[] {
  const conflicts: ConfigIssue[] = []
  const add = (variable: string, message: string) => conflicts.push({ variable, message })
  const hasSecret = given.SMH_LIBRARY_SECRET !== undefined
  const hasToken = given.SMH_ACCESS_TOKEN !== undefined
  if (hasSecret === hasToken) {
    const state = hasSecret ? 'must not be set together with' : 'is required unless'
    const end = hasSecret ? '' : ' is set'
    add('SMH_LIBRARY_SECRET', `${state} SMH_ACCESS_TOKEN${end}`)
    add('SMH_ACCESS_TOKEN', `${state} SMH_LIBRARY_SECRET${end}`)
  }
  if (hasToken && !hasSecret) {
    if (given.CONFIRM_KEY_SECRETS === undefined) {
      add('CONFIRM_KEY_SECRETS', 'is required with SMH_ACCESS_TOKEN: it cannot be derived')
    }
    if (given.SMH_TOKEN_MODE === 'per-user') {
      add(
        'SMH_TOKEN_MODE',
        'must be shared: only SMH_LIBRARY_SECRET can mint a token for each user',
      )
    }
  }
  if (gateway.adminPort && gateway.adminPort === gateway.port) {
    add('ADMIN_PORT', 'must differ from PORT')
  }
  return conflicts
}

function toConfig({ smh, jwt, upload, gateway }: Values) {
  const { endpoint, librarySecret, accessToken, spaceId, spaceClaim, ...restOfSmh } = smh
  const { confirmKeySecrets, ...restOfGateway } = gateway
  const credential: SmhCredential = librarySecret
    ? { kind: 'library-secret', secret: librarySecret }
    : { kind: 'access-token', token: accessToken! }
  const space: SpaceSource = spaceClaim
    ? { kind: 'claim', claim: spaceClaim }
    : { kind: 'fixed', id: spaceId }
  const confirmKey: ConfirmKeyConfig = confirmKeySecrets
    ? { kind: 'given', secrets: confirmKeySecrets }
    : { kind: 'derived', from: librarySecret! }
  return {
    smh: {
      ...restOfSmh,
      /** Scheme, host and port, without a trailing slash. */
      endpoint: endpoint ?? `https://${smh.libraryId.toLowerCase()}.api.tencentsmh.cn`,
      credential,
      space,
    },
    jwt,
    upload,
    confirmKey,
    ...restOfGateway,
  }
}
