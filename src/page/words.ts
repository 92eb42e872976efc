import { UploadError } from '../client/client.ts'

/** `bytes` as people say it, such as `12.5 MiB`. */
export function inUnits(bytes: number): string {
  if (Math.round(bytes) === 1) return '1 byte'
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']
  const power = bytes < 1 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), units.length - 1)
  const value = bytes / 1024 ** power
  const digits = power === 0 || Number.isInteger(value) ? 0 : 1
  return `${value.toFixed(digits)} ${units[power]}`
}

/** What went wrong, and what one can do about it. */
export function inWords(error: unknown, user: string): string {
  if (!(error instanceof UploadError)) return error instanceof Error ? error.message : String(error)
  switch (error.code) {
    case 'upload_not_found':
      return `This upload is not ${user}'s, or it has ended.`
    case 'network':
      return `${error.message} Try again when the network is back.`
    case 'token':
      return 'The demo does not answer: is it still running?'
    default:
      return error.message
  }
}
