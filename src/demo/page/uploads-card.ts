import { fileSize } from '../../client/index.ts'
import { at, setText } from './elements.ts'
import { createFileRow } from './file-row.ts'
import { outcomeOf } from './outcome.ts'
import type { FileItem, UserSession } from './user-session.ts'

const canPause = ({ state }: FileItem) =>
  ['queued', 'preparing', 'uploading', 'waiting'].includes(state.name)
const isPaused = ({ state }: FileItem) => ['paused', 'restored'].includes(state.name)

/** Creates the card with the files of one user at a time: a summary, and a row for each file. */
export function createUploadsCard() {
  const rows = new Map<string, ReturnType<typeof createFileRow>>()
  let shown: UserSession | undefined
  const chooseFiles = () => at('files').click()

  at('pause-all').addEventListener('click', () => {
    const items = shown?.items() ?? []
    const running = items.filter(canPause)
    for (const { id } of running) shown?.setPaused(id, true)
    if (running.length > 0) return
    for (const { id, state } of items.filter(isPaused)) {
      if (state.name === 'paused') shown?.setPaused(id, false)
      else shown?.start(id)
    }
  })
  at('clear').addEventListener('click', () => {
    for (const { id, state } of shown?.items() ?? []) {
      if (state.name === 'stored') shown?.remove(id)
    }
    at('files').focus()
  })

  function showRows(session: UserSession, items: readonly FileItem[]): void {
    const ids = new Set(items.map(({ id }) => id))
    for (const [id, row] of rows) {
      if (ids.has(id)) continue
      const hadFocus = row.element.contains(document.activeElement)
      const next = row.element.nextElementSibling ?? row.element.previousElementSibling
      row.element.remove()
      rows.delete(id)
      if (!hadFocus) continue
      const neighbour = [...rows.values()].find(({ element }) => element === next)
      if (neighbour) neighbour.focus()
      else at('files').focus()
    }
    for (const item of items) {
      const row = rows.get(item.id) ?? createFileRow(session, item, chooseFiles)
      row.update(item)
      if (rows.has(item.id)) continue
      rows.set(item.id, row)
      at('rows').append(row.element)
      requestAnimationFrame(() => row.update(item))
    }
  }

  function showTotal(items: readonly FileItem[]): void {
    const counted = items.filter(({ state }) => state.name !== 'failed')
    const size = counted.reduce((sum, item) => sum + item.size, 0)
    const sent = counted.reduce((sum, item) => sum + item.sentBytes, 0)
    const percent = size > 0 ? Math.floor((100 * sent) / size) : 0
    const isOver = counted.every(({ state }) => state.name === 'stored')
    at('total').hidden = isOver || counted.length < 2
    at('total-bar').setAttribute('aria-valuenow', String(percent))
    const [fill] = at('total-bar').children
    if (fill instanceof HTMLElement) fill.style.width = `${percent}%`
    setText(at('total-amount'), `${fileSize(sent)} of ${fileSize(size)}`)
  }

  return {
    /** Returns the title above the files. */
    show(session: UserSession): string {
      const items = session.items()
      if (shown !== session) {
        rows.clear()
        at('rows').replaceChildren()
      }
      shown = session
      showRows(session, items)
      showTotal(items)
      const outcome = outcomeOf(items.map(({ state }) => state))
      setText(at('title'), outcome)
      at('uploads').hidden = items.length === 0

      const pausable = items.filter(canPause).length
      const paused = items.filter(isPaused).length
      at('pause-all').hidden = pausable + paused < 2
      setText(at('pause-all'), pausable > 0 ? 'Pause all' : 'Resume all')
      at('clear').hidden = !items.some(({ state }) => state.name === 'stored')
      return outcome
    },
  }
}
