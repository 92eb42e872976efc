import { fileSize } from '../../client/index.ts'
import { type DemoState, type DemoUser, readSettings, watchState } from './demo-server.ts'
import { createDropArea } from './drop-area.ts'
import { at, make, setText } from './elements.ts'
import { createFailuresCard } from './failures-card.ts'
import { createResumeCard } from './resume-card.ts'
import { takeResumeLink } from './resume-link.ts'
import { createStoredList, rememberStored } from './stored-list.ts'
import { createUploadsCard } from './uploads-card.ts'
import { createUserSession, MOST_KEPT_BYTES, type UserSession } from './user-session.ts'

const SHOW_INTERVAL_MS = 100

const { run, gatewayUrl, users, maxBytes } = await readSettings()
await forgetOtherRuns()

const storedList = createStoredList()
const uploadsCard = createUploadsCard()
const failuresCard = createFailuresCard()
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
      tell('')
      // The demo may have reported the file before its upload ended here.
      void storedList.show(user)
    },
    onCancelled(name) {
      if (user === current.user) tell(`Cancelled ${name}. Nothing of it is kept.`)
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
  onFiles(files) {
    tell('')
    current.add(files)
  },
  takeDrop(target, file) {
    const taken = resumeCard.takes(target)
    if (taken) resumeCard.choose(file)
    return taken
  },
})
at('limits').textContent =
  `Any type, not empty, up to ${fileSize(maxBytes)} a file. ` +
  `A reload keeps files up to ${fileSize(MOST_KEPT_BYTES)}.`

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
  (answers) => void tellWhetherItRuns(answers),
)

/** The session of the first of these ids that a user has. */
function sessionOf(...ids: (string | null | undefined)[]): UserSession {
  const id = ids.find((id) => users.some((user) => user.id === id))
  return sessions.find(({ user }) => user.id === id) ?? sessions[0]!
}

/** Shows one user. The uploads of the other go on. */
function signIn(user: DemoUser): void {
  current = sessionOf(user.id)
  sessionStorage.setItem('user', user.id)
  sessions.forEach((session, index) => {
    radios[index]!.radio.checked = session === current
  })
  tell('')
  void storedList.show(user)
  resumeCard.setUser(user)
  show()
}

/** Says what has no place in a row. */
function tell(text: string): void {
  setText(at('news'), text)
}

/** Uppy reports every chunk; a person needs a few pictures a second. */
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
      session.items().some(({ state }) => ['uploading', 'completing'].includes(state.name))
    setText(radios[index]!.doing, isUploading ? 'uploading' : '')
  })
  uploadsCard.show(current)
}

/** A page may outlive the demo that it came from. */
async function tellWhetherItRuns(answers: boolean): Promise<void> {
  const now = answers && (await readSettings().catch(() => false as const))
  at('notice').hidden = now && now.run === run
  setText(
    at('notice'),
    now
      ? 'This page is of a demo that has ended. Load it again.'
      : 'The demo does not answer. Start it again: npm run demo',
  )
}

/** What the browser keeps of another run can only take up room. */
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
