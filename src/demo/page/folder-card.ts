import { describeUpload, fileSize } from '../../client/index.ts'
import type { FailedFile } from '../../client/queue/index.ts'
import { at, make, setText } from './elements.ts'
import { quietMessages } from './file-row.ts'
import type { FolderSession, FolderView } from './folder-session.ts'
import { inFiles } from './format.ts'

/** More failures than these are only counted. */
const MAX_FAILURES = 50

/**
 * Creates the card that shows the folder of one user at a time: one progress for all files.
 *
 * @param onEnded called when the folder has been removed from the page
 */
export function createFolderCard(onEnded: () => void) {
  let shown: FolderSession | undefined
  let listed: readonly FailedFile[] = []
  let listedCount = 0

  at('folder-pause').addEventListener('click', () => shown?.setPaused(!isPaused()))
  at('folder-retry').addEventListener('click', () => shown?.retry())
  at('folder-end').addEventListener('click', () => {
    void shown?.discard().then(onEnded)
    at('files').focus()
  })
  const isPaused = () => shown?.view().state === 'paused'

  function showFailures(failures: readonly FailedFile[]): void {
    at('folder-failures').hidden = failures.length === 0
    if (failures === listed && failures.length === listedCount) return
    listed = failures
    listedCount = failures.length
    setText(at('folder-failed'), `${inFiles(failures.length)} failed`)
    const items = failures.slice(0, MAX_FAILURES).map(({ path, error }) => {
      const reason = describeUpload(error instanceof Error ? error : new Error(String(error)))
      return make('li', {}, make('span', { className: 'name' }, path), ` ${reason}`)
    })
    const more = failures.length - items.length
    if (more > 0) items.push(make('li', {}, `and ${inFiles(more)} more`))
    at('folder-reasons').replaceChildren(...items)
  }

  return {
    /** Returns the title above the progress, or ''. */
    show(session: FolderSession): string {
      shown = session
      const view = session.view()
      const { state, totalFiles, storedFiles, totalBytes, sentBytes, failures } = view
      const isRunning = state === 'active' || state === 'paused'
      at('folder').hidden = state === 'none'
      at('folder').dataset.state = state
      const title = titleOf(view)
      setText(at('folder-title'), title)
      setText(at('folder-hint'), hintOf(view))
      const [done, all] = totalBytes > 0 ? [sentBytes, totalBytes] : [storedFiles, totalFiles]
      const percent = all > 0 ? Math.floor((100 * done) / all) : 0
      at('folder-progress').hidden = !isRunning
      at('folder-bar').setAttribute('aria-valuenow', String(percent))
      const [fill] = at('folder-bar').children
      if (fill instanceof HTMLElement) fill.style.width = `${percent}%`
      setText(
        at('folder-amount'),
        `${count(storedFiles)} of ${inFiles(totalFiles)}, ${fileSize(sentBytes)} of ${fileSize(totalBytes)}`,
      )
      at('folder-pause').hidden = !isRunning
      setText(at('folder-pause'), state === 'paused' ? 'Resume folder' : 'Pause folder')
      at('folder-again').hidden = state !== 'interrupted'
      at('folder-retry').hidden = state !== 'over' || failures.length === 0
      setText(at('folder-end'), endOf(state))
      showFailures(failures)
      return state === 'none' ? '' : title
    },
  }
}

const count = (files: number) => files.toLocaleString('en')

function endOf(state: FolderView['state']): string {
  if (state === 'interrupted') return 'Discard folder'
  return state === 'over' ? 'Clear folder' : 'Cancel folder'
}

function titleOf({ state, names, totalFiles, storedFiles, failures }: FolderView): string {
  const failed = failures.length > 0 ? `, ${count(failures.length)} failed` : ''
  const name = names.length === 1 ? names[0] : 'Many files'
  switch (state) {
    case 'active':
      return `Uploading ${inFiles(totalFiles)}${failed}`
    case 'paused':
      return `${inFiles(totalFiles)} paused${failed}`
    case 'interrupted':
      return `${name}: ${count(storedFiles)} of ${inFiles(totalFiles)} stored`
    default:
      return storedFiles === totalFiles
        ? `${name}: ${inFiles(totalFiles)} stored`
        : `${name}: ${count(storedFiles)} of ${inFiles(totalFiles)} stored${failed}`
  }
}

function hintOf({ state, names, waiting }: FolderView): string {
  if (state === 'active' && waiting) return describeUpload(waiting, quietMessages)
  if (state !== 'interrupted') return ''
  const what = names.length > 0 ? names.join(', ') : 'the same files'
  return `The reload interrupted this upload. Choose ${what} again: stored files are skipped, and the rest continues.`
}
