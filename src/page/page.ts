import { type DemoState, readSettings, watchState } from './demo-server.ts'
import { at, make, setText } from './elements.ts'
import { createHandoverCard, takeHandover } from './handover.ts'
import { createHardshipPanel } from './hardship-panel.ts'
import { createLinks } from './links.ts'
import { createPerson, type Person } from './person.ts'
import { createStoredList, rememberStored } from './stored-list.ts'

const { gatewayUrl, users } = await readSettings()
await forgetOtherDemos()

const stored = createStoredList()
const links = createLinks()
const panel = createHardshipPanel()
const handover = createHandoverCard({
  gatewayUrl,
  users,
  become,
  goOn: (file, confirmKey) => current.goOn(file, confirmKey),
})
let state: DemoState | undefined
let showing = false

const people = users.map((name) =>
  createPerson({
    name,
    gatewayUrl,
    target: at('dashboards'),
    onChange: showSoon,
    onStored: (file, instant) => rememberStored(name, file, instant ? 'instant' : 'sent'),
  }),
)
const radios = people.map(({ name }) => {
  const radio = make('input', { type: 'radio', name: 'user', value: name })
  radio.addEventListener('change', () => become(name))
  const doing = make('span', { className: 'doing' })
  at('people').append(make('label', {}, radio, make('span', {}, name), doing))
  return { radio, doing }
})
const asked = takeHandover()
let current = personOf(sessionStorage.getItem('user'), asked?.user)
become(current.name)
if (asked) handover.open(asked)
addEventListener('hashchange', () => {
  const next = takeHandover()
  if (next) handover.open(next)
})
watchState(
  (news) => {
    const filesBefore = state?.counts.filesStored
    state = news
    panel.show(news)
    if (filesBefore !== news.counts.filesStored) void stored.show(current.name)
    show()
  },
  (answers) => void tellWhetherItRuns(answers),
)

/** The first of these who is one of the two. */
function personOf(...names: (string | null | undefined)[]): Person {
  const name = names.find((name) => users.includes(name ?? ''))
  return people.find((person) => person.name === name) ?? people[0]!
}

/** Shows one of the two; the uploads of the other go on. */
function become(name: string): void {
  current = personOf(name)
  sessionStorage.setItem('user', current.name)
  for (const person of people) person.element.hidden = person !== current
  people.forEach((person, index) => {
    radios[index]!.radio.checked = person === current
  })
  void stored.show(current.name)
  handover.setUser(current.name)
  show()
}

/** Uppy tells of every chunk; a person sees no more than a few pictures a second. */
function showSoon(): void {
  if (showing) return
  showing = true
  setTimeout(() => {
    showing = false
    show()
  }, 100)
}

function show(): void {
  people.forEach((person, index) => {
    const percent = person === current ? undefined : person.underWay()
    setText(radios[index]!.doing, percent === undefined ? '' : `uploading, ${percent} %`)
  })
  const { text, kind } = current.said(state?.hardships.networkOff ?? false)
  setText(at('status'), text)
  at('status').className = kind
  links.show(current)
}

/** A page may outlive the demo that it came from. */
async function tellWhetherItRuns(answers: boolean): Promise<void> {
  const now = answers && (await readSettings().catch(() => false as const))
  at('notice').hidden = now && now.users.join() === users.join()
  setText(
    at('notice'),
    now
      ? 'This page is of a demo that has ended. Load it again.'
      : 'The demo does not answer. Start it again: npm run demo',
  )
}

/** Each run of the demo has users of its own; what is kept of others can only take up room. */
async function forgetOtherDemos(): Promise<void> {
  if (localStorage.getItem('users') === users.join()) return
  localStorage.clear()
  localStorage.setItem('users', users.join())
  const request = indexedDB.deleteDatabase('uppy-blobs')
  await new Promise<void>((resolve) => {
    for (const type of ['success', 'error', 'blocked']) {
      request.addEventListener(type, () => resolve())
    }
  })
}
