/**
 * `text` as a URL that may be trusted to lead where it says: `https`, or plain `http` to this very
 * machine (`localhost`, 127.0.0.0/8, `[::1]`), and without credentials. Undefined for any other.
 */
export function parseTrustworthyUrl(text: string): URL | undefined {
  // The URL parser mends `https:host`, tabs and the like; what it had to mend is not what was meant.
  if (!/^https?:\/\/[\x21-\x7e]+$/i.test(text) || !URL.canParse(text)) return undefined
  const url = new URL(text)
  if (url.username !== '' || url.password !== '') return undefined
  return url.protocol === 'https:' || isLoopback(url) ? url : undefined
}

/** Whether `url` leads to this very machine. */
export function isLoopback({ hostname }: URL): boolean {
  return /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/.test(hostname)
}
