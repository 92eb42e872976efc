import { fileSize, type OpenUpload, type UploadClient } from '../../client/index.ts'
import { at, make, setText } from './elements.ts'
import { inBytes } from './format.ts'

/** More uploads than these are only counted. */
const MAX_SHOWN = 20

export interface OpenCardOptions {
  continueWith: (file: File, upload: OpenUpload) => void
  /** Shows the card again. */
  onChange: () => void
}

/** Creates the card with the uploads that the user has open and that do not run on this page. */
export function createOpenCard({ continueWith, onChange }: OpenCardOptions) {
  let open: OpenUpload[] = []
  let client: UploadClient | undefined
  let shown = ''

  function remove({ confirmKey }: OpenUpload): void {
    open = open.filter((upload) => upload.confirmKey !== confirmKey)
  }

  function itemOf(upload: OpenUpload): HTMLLIElement {
    const { path, size, beganAt, confirmKey } = upload
    const name = path.join('/')
    const fault = make('p', { className: 'bad' })
    fault.setAttribute('role', 'alert')
    const input = make('input', { type: 'file' })
    input.setAttribute('aria-label', `Choose ${name} to resume`)
    input.addEventListener('change', () => {
      const file = input.files?.[0]
      input.value = '' // so that the same file can be chosen again
      if (!file) return
      if (file.size !== size) {
        fault.textContent = `This file has ${inBytes(file.size)}. The upload needs ${inBytes(size)}.`
        return
      }
      remove(upload)
      continueWith(file, upload)
    })
    const discard = make('button', { type: 'button' }, 'Discard')
    discard.setAttribute('aria-label', `Discard ${name}`)
    discard.addEventListener('click', () => {
      remove(upload)
      onChange()
      void client?.abort(confirmKey).catch(() => {})
      at('files').focus()
    })
    const began = `${fileSize(size)}, started ${new Date(beganAt).toLocaleString()}`
    return make(
      'li',
      {},
      make('span', { className: 'name' }, name),
      make('span', { className: 'quiet' }, began),
      make(
        'div',
        { className: 'row' },
        make('label', { className: 'button' }, 'Choose file', input),
        discard,
      ),
      fault,
    )
  }

  return {
    /** Reads the open uploads of another user, or again. */
    async read(of: UploadClient): Promise<void> {
      client = of
      open = []
      const found = await of.list().catch(() => [])
      if (client === of) open = found
    },

    /** @param isHere whether an upload is shown open on the page. Then it is not shown here again. */
    show(isHere: (upload: OpenUpload) => boolean): void {
      open = open.filter((upload) => !isHere(upload))
      const now = JSON.stringify(open.map(({ confirmKey }) => confirmKey))
      if (now === shown) return
      shown = now
      const many = open.length === 1 ? '1 unfinished upload' : `${open.length} unfinished uploads`
      at('open').hidden = open.length === 0
      setText(at('open-title'), `You have ${many}`)
      const items = open.slice(0, MAX_SHOWN).map(itemOf)
      const more = open.length - items.length
      if (more > 0) items.push(make('li', { className: 'quiet' }, `and ${more} more`))
      at('open-rows').replaceChildren(...items)
    },
  }
}
