import { errorCodes } from '../../src/gateway/error-codes.ts'
import { document, generatedFrom, wrap } from './markdown.ts'

/** Renders `docs/errors.md`. */
export function errorPage(): string {
  const rows = Object.entries(errorCodes).map(
    ([code, { status, when, hint }]) => `| \`${code}\` | ${status} | ${when} | ${hint} |`,
  )
  return document([
    '# Error codes',
    generatedFrom('src/gateway/error-codes.ts'),
    wrap(
      'An error response is a problem document (`application/problem+json`, RFC 9457) with `type`, ' +
        '`title`, `status`, `detail`, `code` and `requestId`. `errors` lists invalid fields, and ' +
        '`missingParts` lists missing parts. Programs decide by `code`. Later versions may add codes: ' +
        'decide by `status` for a code that you do not know.',
    ),
    ['| `code` | Status | When | What to do |', '|---|---|---|---|', ...rows].join('\n'),
    '## Repeated begins',
    wrap(
      'A begin without a usable response may have begun an upload. Repeat it with the same ' +
        '`Idempotency-Key`: a repeat finds the upload whose response was lost. Without a key, a repeat ' +
        'may begin a second upload.',
    ),
    wrap(
      'Also with a key, a repeat after `upstream_error`, `upstream_unavailable` or `upstream_timeout` may ' +
        'leave a task in SMH that no client knows. It is never completed and does no harm. An instant upload ' +
        'with `fullHash` may have stored the file: look for the file before you repeat the request.',
    ),
  ])
}
