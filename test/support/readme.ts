import { readFileSync } from 'node:fs'

const text = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')

/** Whether the README has `word` in code type. */
export function readmeExplains(word: string): boolean {
  return text.includes(`\`${word}\``)
}

/** The code blocks of the README in this language, in their order. */
export function readmeBlocks(language: string): string[] {
  const blocks = text.matchAll(/^```(\w+)\n(.*?)^```$/gms)
  return [...blocks].filter((block) => block[1] === language).map((block) => block[2] ?? '')
}

/** The languages of all code blocks, each once. */
export function readmeLanguages(): string[] {
  return [...new Set([...text.matchAll(/^```(\w+)$/gm)].map((block) => block[1] ?? ''))].sort()
}
