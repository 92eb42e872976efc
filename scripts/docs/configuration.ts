import {
  type Runtime,
  type Values,
  type Variable,
  variableList,
} from '../../src/gateway/config/variables.ts'
import { document, generatedFrom, generatedNote, MAX_COLUMNS, wrap } from './markdown.ts'

/** Renders the table of configuration variables as `.env.example` and as `docs/configuration.md`. */

const groupTitles: Record<keyof Values, string> = {
  smh: 'SMH',
  jwt: 'Who may upload',
  upload: 'What may be uploaded, and where',
  gateway: 'The gateway itself',
}

const runtimeNames: Record<Runtime, string> = { node: 'Node', worker: 'Workers' }

const source = 'src/gateway/config/variables.ts'

const groups = Object.entries(groupTitles).map(([group, title]) => ({
  title,
  variables: variableList.filter((variable) => variable.group === group),
}))

const isRequired = ({ default: fallback }: Variable) =>
  typeof fallback === 'object' && 'required' in fallback

/** The permitted values and the default of a variable. */
function facts(variable: Variable): string {
  const { reader, default: fallback, runtimes, secret } = variable
  const sentences = [`Value: ${reader.expected}.`]
  if (typeof fallback === 'string') sentences.push(`Default: \`${fallback}\`.`)
  else if ('unset' in fallback) sentences.push(`Default: ${fallback.unset}.`)
  else if (fallback.unless) sentences.push(`Required unless \`${fallback.unless}\` is set.`)
  else sentences.push('Required.')
  if (runtimes)
    sentences.push(`${runtimes.map((runtime) => runtimeNames[runtime]).join(', ')} only.`)
  if (secret) sentences.push('Secret.')
  return sentences.join(' ')
}

/** Markdown as comment lines. */
const comment = (text: string) => wrap(text.replaceAll('`', ''), '# ')

export function envExample(): string {
  const required = variableList.filter(isRequired)
  const sections = groups.flatMap(({ title, variables }) => [
    `# --- ${title} `.padEnd(MAX_COLUMNS, '-'),
    ...variables.map((variable) => {
      const { name, doc, default: fallback } = variable
      const assignment = `${name}=${typeof fallback === 'string' ? fallback : ''}`
      return [
        comment(doc),
        comment(facts(variable)),
        isRequired(variable) ? assignment : `# ${assignment}`,
      ].join('\n')
    }),
  ])
  return document([
    comment(
      `Copy this file to .env and set the ${required.length} variables that are not commented out. The ` +
        'comments show the defaults of all other variables. A blank value counts as unset.',
    ),
    comment(generatedNote(source)),
    ...sections,
  ])
}

const link = ({ name }: Variable) => `[\`${name}\`](#${name.toLowerCase()})`

const links = (variables: readonly Variable[]) =>
  new Intl.ListFormat('en').format(variables.map(link))

export function configurationPage(): string {
  const secrets = variableList.filter(({ secret }) => secret)
  const sections = groups.flatMap(({ title, variables }) => [
    `## ${title}`,
    ...variables.flatMap((variable) => [
      `### ${variable.name}`,
      wrap(variable.doc),
      wrap(facts(variable)),
    ]),
  ])
  return document([
    '# Configuration',
    generatedFrom(source),
    wrap(
      'The gateway reads environment variables once, at its start. On Workers the same names are ' +
        `[vars and secrets](operating.md#cloudflare-workers). Set ${links(secrets)} as secrets there.`,
    ),
    wrap(
      `These variables are required: ${links(variableList.filter(isRequired))}. For web pages also set ` +
        '[`CORS_ORIGINS`](#cors_origins). For production also set ' +
        '[`CONFIRM_KEY_SECRETS`](#confirm_key_secrets) ([how to change secrets](operating.md#changing-secrets)), ' +
        'and consider `per-user` for ' +
        '[`SMH_TOKEN_MODE`](#smh_token_mode).',
    ),
    wrap('A blank value counts as unset. Spaces around a value are dropped.'),
    wrap(
      'An invalid configuration stops the start. The error names every invalid variable and says what ' +
        'the value must be, but never shows a value. On Workers the log has this error, and the gateway ' +
        'answers 503 to every request. The log also warns about unknown variables with similar names.',
    ),
    wrap('[`.env.example`](../.env.example) has all variables with their defaults, ready to copy.'),
    ...sections,
  ])
}
