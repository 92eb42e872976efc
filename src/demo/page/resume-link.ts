/** The fields of a link that continues an upload. */
export interface ResumeLink {
  confirmKey: string
  name: string
  size: number
  /** The id of the upload's owner. */
  user: string
}

/** Creates the link. Its fields are in the fragment, which browsers do not send to servers. */
export function linkTo({ confirmKey, name, size, user }: ResumeLink): string {
  const fields = { continue: confirmKey, name, size: String(size), user }
  return `${location.origin}/#${new URLSearchParams(fields)}`
}

/** Reads the link from the page's URL, if there is one, and removes it from URL and history. */
export function takeResumeLink(): ResumeLink | undefined {
  const fields = new URLSearchParams(location.hash.slice(1))
  const confirmKey = fields.get('continue')
  if (!confirmKey) return undefined
  history.replaceState(null, '', location.pathname)
  return {
    confirmKey,
    name: fields.get('name') ?? '',
    size: Number(fields.get('size')),
    user: fields.get('user') ?? '',
  }
}
