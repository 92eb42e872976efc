import { SmhError } from './errors.ts'

/** Maximum length of one level (docs/smh-protocol.md#9), in code points (inferred). */
export const MAX_NAME_CHARACTERS = 255

const FORBIDDEN = /[\\/:*?"<>|]/

/**
 * Splits the decoded rest of a URL into names. A leading slash is allowed (docs/smh-protocol.md#2.1). An
 * empty name between slashes is not (inferred).
 */
function splitPath(decoded: string): string[] {
  const path = decoded.replace(/^\//, '')
  return path === '' ? [] : path.split('/')
}

/** Names of a directory's path. A trailing slash is allowed (inferred). */
export function directoryPath(decoded: string): string[] {
  const names = splitPath(decoded.replace(/\/$/, ''))
  checkNames(names, 'DirectoryNameLengthExceed')
  return names
}

/** Names of a file's path, at least one. The last one is the file's name. */
export function filePath(decoded: string): string[] {
  const names = splitPath(decoded)
  const fileName = names.at(-1)
  if (fileName === undefined) throw new SmhError(400, 'EmptyPath')
  if (fileName === '') throw new SmhError(400, 'EmptyFileName')
  checkNames(names.slice(0, -1), 'DirectoryNameLengthExceed')
  checkNames([fileName], 'FileNameLengthExceed')
  return names
}

function checkNames(names: string[], tooLong: string) {
  for (const name of names) {
    if (name === '') throw new SmhError(400, 'InvalidSpaceOrDirectoryPath')
    if ([...name].length > MAX_NAME_CHARACTERS) throw new SmhError(400, tooLong)
    // docs/smh-protocol.md#9 lists the printable characters. Dot segments and control characters
    // are inferred.
    if (FORBIDDEN.test(name) || name === '.' || name === '..' || hasControls(name)) {
      throw new SmhError(400, 'IllegalFileName')
    }
  }
}

function hasControls(name: string): boolean {
  return [...name].some((character) => {
    const code = character.charCodeAt(0)
    return code < 0x20 || code === 0x7f
  })
}

/** `clip.mp4` becomes `clip (2).mp4`. A directory and `.profile` have no extension. */
export function numberedName(name: string, number: number, kind: 'file' | 'dir'): string {
  const dot = kind === 'file' ? name.lastIndexOf('.') : -1
  if (dot <= 0) return `${name} (${number})`
  return `${name.slice(0, dot)} (${number})${name.slice(dot)}`
}
