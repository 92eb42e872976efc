/** Maximum line length of a generated document, except in tables. */
export const MAX_COLUMNS = 100

/** Breaks `text` into lines of at most {@link MAX_COLUMNS} characters, each with `prefix`. */
export function wrap(text: string, prefix = ''): string {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const line = lines.at(-1)
    if (line !== undefined && line.length + 1 + word.length <= MAX_COLUMNS) {
      lines[lines.length - 1] = `${line} ${word}`
    } else lines.push(prefix + word)
  }
  return lines.join('\n')
}

export const document = (blocks: readonly string[]) => `${blocks.join('\n\n')}\n`

export const generatedNote = (source: string) =>
  `Generated from ${source} by \`npm run docs\`. Do not edit.`

export const generatedFrom = (source: string) => `<!-- ${generatedNote(source)} -->`
