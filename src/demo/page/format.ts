/** The exact number of bytes, such as `12,345 bytes`. */
export function inBytes(bytes: number): string {
  return bytes === 1 ? '1 byte' : `${bytes.toLocaleString('en')} bytes`
}

/** A number of files, such as `1 file` or `2 files`. */
export function inFiles(count: number): string {
  return count === 1 ? '1 file' : `${count.toLocaleString('en')} files`
}
