/** An upload to continue, as a link names it. */
export interface ResumeLink {
  confirmKey: string
  name: string
  size: number
  /** The id of its owner. */
  user: string
}

/** A link to continue an upload elsewhere. All of it is in the fragment, which no server sees. */
export function linkTo({ confirmKey, name, size, user }: ResumeLink): string {
  const fields = { continue: confirmKey, name, size: String(size), user }
  return `${location.origin}/#${new URLSearchParams(fields)}`
}

/** The link in the page's address, if there is one. It is removed from address and history. */
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
