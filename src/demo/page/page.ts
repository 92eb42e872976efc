import { fileSize } from '../../client/index.ts'
import { type DemoState, type DemoUser, readSettings, watchState } from './demo-server.ts'
import { createDropArea } from './drop-area.ts'
import { at, make, setText } from './elements.ts'
import { createFailuresCard } from './failures-card.ts'
import { createFolderCard } from './folder-card.ts'
import { createOpenCard } from './open-card.ts'
import { createResumeCard } from './resume-card.ts'
import { takeResumeLink } from './resume-link.ts'
import { createStoredList, rememberStored } from './stored-list.ts'
import { createUploadsCard } from './uploads-card.ts'
import { createUserSession, MAX_KEPT_BYTES, type UserSession } from './user-session.ts'

/** The page's title while nothing uploads. */
const PAGE_TITLE = document.title
const SHOW_INTERVAL_MS = 100
/** More files than these, and folders, are shown with one progress instead of a row for each. */
const MAX_ROWS_AT_ONCE = 20

const { run, gatewayUrl, users, maxBytes } = await readSettings()
await forgetOtherRuns()

const storedList = createStoredList()
const uploadsCard = createUploadsCard()
const failuresCard = createFailuresCard()
const folderCard = createFolderCard(showOpen)
const openCard = createOpenCard({
  continueWith: (file, { confirmKey, path }) =>
    current.continueWith(file, confirmKey, path.join('/')),
  onChange: show,
})
let state: DemoState | undefined
let isShowing = false

const sessions = users.map((user) =>
  createUserSession({
    user,
    gatewayUrl,
    onChange: showSoon,
    onStored(file, instant) {
      rememberStored(user, file, instant ? 'instant' : 'sent')
      if (user !== current.user) return
      announce('')
      // The demo may have reported the file before this page knew how it was stored.
      void storedList.show(user)
    },
    onCancelled(name) {
      if (user === current.user) announce(`${name} was cancelled and its parts were deleted.`)
    },
  }),
)
const radios = users.map((user) => {
  const radio = make('input', { type: 'radio', name: 'user', value: user.id })
  radio.addEventListener('change', () => signIn(user))
  const doing = make('span', { className: 'doing' })
  at('users').append(make('label', {}, radio, make('span', {}, user.name), doing))
  return { radio, doing }
})
const resumeCard = createResumeCard({
  gatewayUrl,
  users,
  signIn,
  continueWith: (file, confirmKey) => current.continueWith(file, confirmKey),
})
createDropArea({
  onFiles(files, unreadable) {
    announce(unreadable.length > 0 ? `The browser cannot read ${unreadable.join(', ')}.` : '')
    const isFolder = files.some(({ path }) => path.includes('/'))
    if (isFolder || files.length > MAX_ROWS_AT_ONCE) void current.folder.add(files)
    else current.add(files)
  },
  takeDrop(target, file) {
    const taken = resumeCard.takes(target)
    if (taken) resumeCard.choose(file)
    return taken
  },
})
at('limits').textContent =
  `Any type, up to ${fileSize(maxBytes)} per file. ` +
  `A reload keeps files up to ${fileSize(MAX_KEPT_BYTES)}.`

const asked = takeResumeLink()
let current = sessionOf(sessionStorage.getItem('user'), asked?.user)
signIn(current.user)
if (asked) resumeCard.open(asked)
addEventListener('hashchange', () => {
  const next = takeResumeLink()
  if (next) resumeCard.open(next)
})
watchState(
  (news) => {
    const storedBefore = state?.counts.filesStored
    state = news
    failuresCard.show(news)
    if (storedBefore !== news.counts.filesStored) void storedList.show(current.user)
  },
  (isConnected) => void showNotice(isConnected),
)

/** The session of the first id that belongs to a user. Default: the first session. */
function sessionOf(...ids: (string | null | undefined)[]): UserSession {
  const id = ids.find((id) => users.some((user) => user.id === id))
  return sessions.find(({ user }) => user.id === id) ?? sessions[0]!
}

/** Shows one user. The uploads of the other continue. */
function signIn(user: DemoUser): void {
  current = sessionOf(user.id)
  sessionStorage.setItem('user', user.id)
  sessions.forEach((session, index) => {
    radios[index]!.radio.checked = session === current
  })
  announce('')
  void storedList.show(user)
  resumeCard.setUser(user)
  show()
  showOpen()
}

/** Reads the uploads that the user has open. */
function showOpen(): void {
  void openCard.read(current.client).then(show)
}

/** Shows a message that belongs to no row. */
function announce(text: string): void {
  setText(at('news'), text)
}

/** Limits how often the page is updated, because Uppy reports every chunk. */
function showSoon(): void {
  if (isShowing) return
  isShowing = true
  setTimeout(() => {
    isShowing = false
    show()
  }, SHOW_INTERVAL_MS)
}

function show(): void {
  sessions.forEach((session, index) => {
    const isUploading =
      session !== current &&
      (session.folder.view().state === 'active' ||
        session.items().some(({ state }) => ['uploading', 'completing'].includes(state.name)))
    setText(radios[index]!.doing, isUploading ? 'uploading' : '')
  })
  const titles = [uploadsCard.show(current), folderCard.show(current.folder)].filter(Boolean)
  document.title = [...titles, PAGE_TITLE].join(' – ')
  document.body.classList.toggle('busy', titles.length > 0)
  openCard.show(
    (upload) => current.has(upload) || current.folder.has(upload) || resumeCard.isFor(upload),
  )
}

/** Shows a notice when the demo has stopped, or when another run serves this address. */
async function showNotice(isConnected: boolean): Promise<void> {
  const now = isConnected && (await readSettings().catch(() => false as const))
  at('notice').hidden = now && now.run === run
  setText(
    at('notice'),
    now
      ? 'The demo has been restarted. Reload this page.'
      : 'The demo is not running. Start it again: npm run demo',
  )
}

/** Deletes what the browser keeps of other runs, which can no longer be used. */
async function forgetOtherRuns(): Promise<void> {
  if (localStorage.getItem('run') === run) return
  localStorage.clear()
  localStorage.setItem('run', run)
  const request = indexedDB.deleteDatabase('uppy-blobs')
  await new Promise<void>((resolve) => {
    for (const type of ['success', 'error', 'blocked']) {
      request.addEventListener(type, () => resolve())
    }
  })
}
