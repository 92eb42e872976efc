/**
 * `npm run lint:words`: finds words that make texts hard to read, and names that the code no longer uses, in
 * sources, tests and documents. Takes less than a second. Prints file, line and what to write instead; exits 1
 * when it finds one. `npm run lint` runs it.
 */
import { globSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const FILES = [
  '{src,test,scripts,openapi,bench}/**/*.{ts,js,py,md,css,html,toml}',
  '{docs,test,src}/**/*.md',
  '*.{md,ts,toml,json}',
  '.env.example',
]

const EXCEPT = [
  // This list and its test.
  'scripts/words.ts',
  'test/unit/words.test.ts',
  // The dictionary for contributors names these words too.
  'CONTRIBUTING.md',
  // Third-party files.
  'package-lock.json',
  'bench/node_modules/**',
  'openapi/clients/**/node_modules/**',
]

/** Phrases match in any letter case, also across lines of a comment. */
const PHRASES: Record<string, string> = {
  whoever: 'name the subject: "a client that …"',
  nobody: 'name the subject: "no client", "no user"',
  somebody: 'name the subject: "another user", "a client"',
  anybody: 'name the subject: "any user"',
  anew: '"again"',
  'is told': '"receives", or what the response says',
  'are told': '"receive", or what the response says',
  'was told': '"received", or what the response said',
  'so many': '"this number of", or the number',
  'by itself': '"automatically", or "alone"',
  'goes by': '"uses", "follows"',
  'go by': '"use", "follow"',
  'comes to': '"is", "results in"',
  'no more than': '"at most"',
  'at the most': '"at most"',
  'unless told': '"Default: …"',
  'those who': 'name the subject: "users that …"',
}

/** Names that match exactly. */
const NAMES: Record<string, string> = {
  ARRIVAL_MS: 'REQUEST_TIMEOUT_MS',
  TAKING_MS: 'STALL_TIMEOUT_MS',
  CallSmh: 'SmhTransport',
  SmhCall: 'SmhRequest',
  TokenOwner: 'UploadScope',
  beginAnswer: 'requestContext',
  callOut: 'request',
  dropUntaken: 'closeStalledConnections',
  inTurn: 'serializePipelinedRequests',
  levelOfFault: 'logLevelFor',
  nameFault: 'validateName',
  oneFlight: 'singleFlight',
  placeOf: 'resolveScope',
  rememberUsers: 'createTokenCache',
  startBench: 'startHarness',
  steadyClock: 'monotonicClock',
  whenTaken: 'responseClosed',
}

const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
/** Between two words of a phrase: blanks, or the start of the next comment line. */
const GAP = '(?: +|\\s*\\n[\\s*/#>]*)'
const rules = [
  ...Object.entries(PHRASES).map(([phrase, instead]) => {
    const words = phrase.split(' ').map(escaped).join(GAP)
    return {
      pattern: new RegExp(`(?<!\\w)${words}(?!\\w)`, 'gi'),
      instead,
    }
  }),
  ...Object.entries(NAMES).map(([name, instead]) => ({
    pattern: new RegExp(`\\b${name}\\b`, 'g'),
    instead,
  })),
]

export interface WordIssue {
  line: number
  word: string
  instead: string
}

/** Every listed word in the text, in the order of its lines. */
export function findWords(text: string): WordIssue[] {
  const issues = rules.flatMap(({ pattern, instead }) =>
    [...text.matchAll(pattern)].map((match) => ({
      line: text.slice(0, match.index).split('\n').length,
      word: match[0].replace(/\s[\s*/#>]*/g, ' '),
      instead,
    })),
  )
  return issues.sort((one, other) => one.line - other.line)
}

if (import.meta.main) {
  process.chdir(fileURLToPath(new URL('..', import.meta.url)))
  for (const file of new Set(globSync(FILES, { exclude: EXCEPT }))) {
    for (const { line, word, instead } of findWords(readFileSync(file, 'utf8'))) {
      process.stdout.write(`${file}:${line}: "${word}": write ${instead}\n`)
      process.exitCode = 1
    }
  }
}
