import { inFiles } from './format.ts'
import type { FileState } from './user-session.ts'

/** Summarizes the states of all files. It is the title above them. */
export function outcomeOf(states: readonly Pick<FileState, 'name'>[]): string {
  const count = (...names: FileState['name'][]) =>
    states.filter(({ name }) => names.includes(name)).length
  const active = count('queued', 'preparing', 'uploading', 'waiting', 'completing')
  const waiting = count('waiting')
  const resting = count('paused', 'restored', 'lost')
  const stored = count('stored')
  const failed = count('failed')

  if (states.length === 0) return ''
  const andFailed = failed > 0 ? `, ${failed} failed` : ''
  if (active > 0) {
    const files = inFiles(active)
    return `${waiting === active ? `${files} waiting` : `Uploading ${files}`}${andFailed}`
  }
  if (resting > 0) {
    return `${inFiles(resting)} ${count('paused') === resting ? 'paused' : 'to resume'}${andFailed}`
  }
  if (failed === 0) return `${inFiles(stored)} stored`
  if (stored === 0) return `${inFiles(failed)} failed`
  return `${stored} of ${inFiles(states.length)} stored${andFailed}`
}
