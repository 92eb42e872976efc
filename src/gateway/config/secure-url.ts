/**
 * `text` as a URL that is safe from eavesdroppers: `https`, or plain `http` to this machine
 * (`localhost`, 127.0.0.0/8, `[::1]`). It has no credentials. Undefined for any other text.
 */
export function parseTrustworthyUrl(text: string): URL | undefined {
  // The URL parser repairs `https:host`, tabs and the like. A repaired URL may not be the intended one.
  if (!/^https?:\/\/[\x21-\x7e]+$/i.test(text) || !URL.canParse(text)) return undefined
  const url = new URL(text)
  if (url.username !== '' || url.password !== '') return undefined
  return url.protocol === 'https:' || isLoopback(url) ? url : undefined
}

/** Whether the host of `url` is this machine. */
export function isLoopback({ hostname }: URL): boolean {
  return /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/.test(hostname)
}
