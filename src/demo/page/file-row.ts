import { describeUpload, fileSize, type UploadMessages } from '../../client/index.ts'
import { make, setText } from './elements.ts'
import { linkTo } from './resume-link.ts'
import type { FileItem, FileState, UserSession } from './user-session.ts'

/** Pictures up to this size have a preview. Larger ones would slow the page down. */
const MAX_PREVIEW_BYTES = 20 * 1024 * 1024

/** Without countdowns, which screen readers would read every second. */
export const quietMessages: UploadMessages = {
  preparing: 'Preparing',
  uploading: 'Uploading',
  paused: 'Paused',
  waiting_rate_limit: 'Too many uploads at once. The upload continues soon.',
  waiting_server_busy: 'The server is busy. The upload continues soon.',
  stored: 'Stored as {path}',
}

function describe(state: FileState): string {
  switch (state.name) {
    case 'queued':
      return 'Waiting for other files'
    case 'restored':
      return 'Interrupted by the reload'
    case 'lost':
      return 'The browser could not keep this file. Choose it again to resume.'
    case 'failed':
      return state.text
    case 'stored':
      return state.instant
        ? `${describeUpload(state, quietMessages)}. SMH already had the file, so nothing was sent.`
        : describeUpload(state, quietMessages)
    default:
      return describeUpload(state, quietMessages)
  }
}

interface Action {
  label: string
  act: () => void
}

/** Creates the row of one file, the only place that shows the file's state. */
export function createFileRow(session: UserSession, first: FileItem, chooseFiles: () => void) {
  const { id } = first
  let mainAct = () => {}

  const name = make('p', { className: 'name' }, first.name)
  const text = make('span')
  const status = make('p', { className: 'state' })
  status.setAttribute('role', 'status')
  status.append(make('span', { className: 'aloud' }, `${first.name}: `), text)
  const amount = make('p', { className: 'amount quiet' })
  const fill = make('div', { className: 'fill' })
  const bar = make('div', { className: 'bar' }, fill)
  bar.setAttribute('role', 'progressbar')
  bar.setAttribute('aria-label', `Progress of ${first.name}`)
  const main = make('button', { type: 'button' })
  main.addEventListener('click', () => mainAct())
  const end = make('button', { type: 'button' })
  end.addEventListener('click', () => session.remove(id))
  const elsewhere = createElsewhere(session, first)
  const element = make(
    'li',
    {},
    make('div', { className: 'what' }, picture(first), name),
    make('div', { className: 'how' }, status, amount),
    bar,
    make('div', { className: 'actions' }, main, end),
    elsewhere.element,
  )

  function mainAction({ state }: FileItem): Action | undefined {
    switch (state.name) {
      case 'completing':
      case 'stored':
        return undefined
      case 'paused':
        return { label: 'Resume', act: () => session.setPaused(id, false) }
      case 'restored':
        return { label: 'Resume', act: () => session.start(id) }
      case 'lost':
        return { label: 'Choose file', act: chooseFiles }
      case 'failed':
        return state.mayRetry ? { label: 'Retry', act: () => session.start(id) } : undefined
      default:
        return { label: 'Pause', act: () => session.setPaused(id, true) }
    }
  }

  function label(button: HTMLButtonElement, text: string): void {
    setText(button, text)
    button.setAttribute('aria-label', `${text} ${first.name}`)
  }

  return {
    element,

    update(item: FileItem): void {
      const { state, size, sentBytes } = item
      const isOver = state.name === 'stored' || state.name === 'failed'
      element.dataset.state = state.name
      // Set after the row is in the page: screen readers skip the initial text of a live region.
      if (element.isConnected) setText(text, describe(state))
      setText(amount, isOver ? fileSize(size) : `${fileSize(sentBytes)} of ${fileSize(size)}`)
      const percent = size > 0 ? Math.floor((100 * sentBytes) / size) : 0
      bar.hidden = isOver
      bar.setAttribute('aria-valuenow', String(percent))
      fill.style.width = `${percent}%`

      const action = mainAction(item)
      mainAct = action?.act ?? (() => {})
      main.hidden = !action
      if (action) label(main, action.label)
      label(end, isOver ? 'Remove' : 'Cancel')
      elsewhere.show(item)
    },

    /** Focuses the first button of the row. */
    focus: () => (main.hidden ? end : main).focus(),
  }
}

/** Creates a preview of a picture. Other files, and unsupported pictures, show the extension. */
function picture({ name, content }: FileItem): HTMLElement {
  const icon = make('span', { className: 'icon' })
  icon.setAttribute('aria-hidden', 'true')
  const extension = /\.([^.]{1,4})$/.exec(name)?.[1]?.toUpperCase() ?? ''
  if (content?.type.startsWith('image/') && content.size <= MAX_PREVIEW_BYTES) {
    const src = URL.createObjectURL(content)
    const image = make('img', { src, alt: '' })
    image.addEventListener('load', () => URL.revokeObjectURL(src))
    image.addEventListener('error', () => {
      URL.revokeObjectURL(src)
      // The browser does not support the format, or the file is not a picture.
      icon.replaceChildren(extension)
    })
    icon.append(image)
  } else icon.append(extension)
  return icon
}

/** Creates the link with which another browser continues the upload. */
function createElsewhere({ user }: UserSession, { name, size }: FileItem) {
  const field = make('input', { type: 'text', readOnly: true })
  field.setAttribute('aria-label', `Link to continue ${name}`)
  field.addEventListener('focus', () => field.select())
  const copy = make('button', { type: 'button' }, 'Copy link')
  copy.setAttribute('aria-label', `Copy link to continue ${name}`)
  copy.addEventListener('click', async () => {
    field.select()
    // Without permission for the clipboard, the link stays selected.
    const copied = await navigator.clipboard.writeText(field.value).then(
      () => true,
      () => false,
    )
    copy.textContent = copied ? 'Copied' : 'Press Ctrl+C'
  })
  const summary = make('summary', {}, 'Continue on another device')
  summary.setAttribute('aria-label', `Continue on another device: ${name}`)
  const element = make(
    'details',
    { hidden: true },
    summary,
    make(
      'p',
      { className: 'quiet' },
      `Open the link there and choose the same file. Parts that have arrived are not sent again. The link works for ${user.name} only.`,
    ),
    make('div', { className: 'row' }, field, copy),
  )
  return {
    element,
    show({ confirmKey }: FileItem): void {
      element.hidden = confirmKey === undefined
      if (confirmKey) field.value = linkTo({ confirmKey, name, size, user: user.id })
    },
  }
}
