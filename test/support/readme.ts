import { readFileSync } from 'node:fs'

const read = (document: string) =>
  readFileSync(new URL(`../../${document}`, import.meta.url), 'utf8')

const text = read('README.md')

/** Whether the README has `word` in code type. */
export function readmeExplains(word: string): boolean {
  return text.includes(`\`${word}\``)
}

/** The code blocks of a README in this language, in their order. Default: that of the repository. */
export function readmeBlocks(language: string, document = 'README.md'): string[] {
  const blocks = read(document).matchAll(/^```(\w+)\n(.*?)^```$/gms)
  return [...blocks].filter((block) => block[1] === language).map((block) => block[2] ?? '')
}

/** The languages of all code blocks, each once. */
export function readmeLanguages(): string[] {
  return [...new Set([...text.matchAll(/^```(\w+)$/gm)].map((block) => block[1] ?? ''))].sort()
}
