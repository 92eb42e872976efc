import { configurationPage, envExample } from './configuration.ts'
import { errorPage } from './errors.ts'
import { logPage } from './log.ts'

/** The documents that are generated from the code: paths in the repository and their texts. */
export function generatedFiles(): Readonly<Record<string, string>> {
  return {
    '.env.example': envExample(),
    'docs/configuration.md': configurationPage(),
    'docs/errors.md': errorPage(),
    'docs/log.md': logPage(),
  }
}
