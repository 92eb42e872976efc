import { logEvents, logFields, logReasons } from '../../src/gateway/log-record.ts'
import { document, generatedFrom, wrap } from './markdown.ts'

/** Renders `docs/log.md`. */
export function logPage(): string {
  return document([
    '# Log',
    generatedFrom('src/gateway/log-record.ts'),
    wrap(
      'The gateway writes one JSON line for each request to standard output, and further lines for other ' +
        'events. Each line has `level`, `time` and `event`. [`LOG_LEVEL`](configuration.md#log_level) sets ' +
        'the least severe level. Level `error` requires action by the operator.',
    ),
    wrap(
      'A line contains no other fields than those below: no user, path, token, key, URL of a client or ' +
        'address of a client.',
    ),
    '## Events',
    table('Event', logEvents),
    '## Fields',
    table(
      'Field',
      Object.fromEntries(Object.entries(logFields).map(([name, { meaning }]) => [name, meaning])),
    ),
    '## Reasons',
    wrap(
      'The field `reason` says why a request has failed or has no effect. For a response 401 only the log ' +
        'has the reason, not the response.',
    ),
    table('`reason`', logReasons),
  ])
}

function table(head: string, meanings: Readonly<Record<string, string>>): string {
  const rows = Object.entries(meanings).map(([name, meaning]) => `| \`${name}\` | ${meaning} |`)
  return [`| ${head} | Meaning |`, '|---|---|', ...rows].join('\n')
}
