import { chosenFiles, droppedFiles, type QueuedFile } from '../../client/queue/index.ts'
import { at } from './elements.ts'

export interface DropAreaOptions {
  /** @param unreadable paths in a dropped folder that the browser cannot read */
  onFiles: (files: readonly QueuedFile[], unreadable: readonly string[]) => void
  /** Handles a file that was dropped on another drop target. Returns whether it did. */
  takeDrop: (target: EventTarget | null, file: File | undefined) => boolean
}

/** Creates the area to choose files and folders. Files may be dropped anywhere on the page. */
export function createDropArea({ onFiles, takeDrop }: DropAreaOptions): void {
  for (const id of ['files', 'folder-files', 'folder-again-files']) {
    const input = at<HTMLInputElement>(id)
    input.addEventListener('change', () => {
      onFiles(chosenFiles(input.files ?? []), [])
      input.value = '' // so that the same file can be chosen again
    })
  }

  // Touch devices cannot drop files.
  const title = matchMedia('(any-hover: hover)').matches ? 'Drop files here' : 'Upload files'
  function showOver(isOver: boolean): void {
    document.body.classList.toggle('over', isOver)
    at('drop-title').textContent = isOver ? 'Drop to upload' : title
  }
  showOver(false)
  const hasFiles = ({ dataTransfer }: DragEvent) => dataTransfer?.types.includes('Files') ?? false

  document.addEventListener('dragover', (event) => {
    // Otherwise the browser would replace the page with the file.
    event.preventDefault()
    if (hasFiles(event)) showOver(true)
  })
  document.addEventListener('dragleave', ({ relatedTarget }) => {
    if (relatedTarget === null) showOver(false)
  })
  document.addEventListener('drop', async (event) => {
    event.preventDefault()
    showOver(false)
    const { dataTransfer, target } = event
    if (!dataTransfer || !hasFiles(event)) return
    if (takeDrop(target, dataTransfer.files[0])) return
    const files: QueuedFile[] = []
    const unreadable: string[] = []
    const note = (path: string) => void unreadable.push(path)
    for await (const file of droppedFiles(dataTransfer, note)) files.push(file)
    onFiles(files, unreadable)
  })
}
