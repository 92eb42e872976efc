import { readdirSync, readFileSync } from 'node:fs'

const root = new URL('../../', import.meta.url)

const textAt = (path: string) => readFileSync(new URL(path, root), 'utf8')

const filesBelow = (folder: string) =>
  readdirSync(new URL(folder, root), { recursive: true, encoding: 'utf8' })
    .filter((path) => !/(?:^|\/)node_modules\//.test(path))
    .map((path) => `${folder}${path}`)

/** All documents for people, as paths in the repository. */
export const documents: readonly string[] = [
  ...readdirSync(root),
  ...filesBelow('docs/'),
  ...filesBelow('src/'),
  'bench/README.md',
].filter((path) => path.endsWith('.md'))

/** All files with code of this project, as paths in the repository. */
export function codeFiles(): string[] {
  return ['src/', 'test/', 'scripts/', 'openapi/', 'bench/']
    .flatMap(filesBelow)
    .filter((path) => /\.(?:ts|js|json|toml|html)$/.test(path))
}

/** Whether `document` has `word` in code type. */
export const explains = (document: string, word: string): boolean =>
  textAt(document).includes(`\`${word}\``)

const fence = /^```(\w+)\n(.*?)^```$/gms

/** The code blocks of a document in this language, in their order. */
export function codeBlocks(document: string, language: string): string[] {
  return [...textAt(document).matchAll(fence)]
    .filter((block) => block[1] === language)
    .map((block) => block[2] ?? '')
}

/** The languages of the document's code blocks, each once. */
export const codeLanguages = (document: string): string[] => [
  ...new Set([...textAt(document).matchAll(fence)].map((block) => block[1] ?? '')),
]

const withoutCode = (text: string) => text.replace(fence, '').replace(/`[^`\n]*`/g, '')

/** GitHub's anchor for a heading. */
const slug = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-')

/** Fragments that a link to this document may have: its headings, and its explicit anchors. */
export function anchors(document: string): string[] {
  const text = textAt(document).replace(fence, '')
  return [
    ...[...text.matchAll(/^#+ (.+)$/gm)].map((heading) => slug(heading[1] ?? '')),
    ...[...text.matchAll(/<a id="([^"]+)">/g)].map((anchor) => anchor[1] ?? ''),
  ]
}

/** The targets of the document's links and images, and of its reference links. */
export function links(document: string): string[] {
  const text = withoutCode(textAt(document))
  const references = [...text.matchAll(/\[([^\]]+)\](?![:(])/g)].map((link) => link[1] ?? '')
  const defined = new Map(
    [...text.matchAll(/^\[([^\]]+)\]: (\S+)$/gm)].map((line) => [line[1] ?? '', line[2] ?? '']),
  )
  return [
    ...[...text.matchAll(/\]\(([^)\s]+)\)/g)].map((link) => link[1] ?? ''),
    ...references.flatMap((name) => defined.get(name) ?? []),
  ]
}
