import { notPermitted, Problem } from './problem.js'
import { settings } from './settings.js'

const { maxBytes, extensions, strategies, trafficLimit } = settings.upload

/**
 * Checks an upload against the rules of the operator.
 *
 * @param fileName the last name of the path
 * @throws Problem `file_too_large`, `not_permitted`
 */
export function permit(wanted, fileName) {
  if (wanted.size > maxBytes) {
    throw new Problem(413, 'file_too_large', `A file may have at most ${maxBytes} bytes.`)
  }
  if (extensions && !hasExtension(fileName)) {
    throw notPermitted('Files with this extension may not be uploaded.', 'extension')
  }
  if (!strategies.has(wanted.conflictResolutionStrategy)) {
    throw notPermitted('This conflictResolutionStrategy may not be used.', 'strategy')
  }
}

function hasExtension(fileName) {
  const dot = fileName.lastIndexOf('.')
  return dot > 0 && extensions.has(fileName.slice(dot + 1).toLowerCase())
}

/** The lower of the user's limit and the operator's. Undefined if there is neither. */
export function permittedSpeed(wanted) {
  if (wanted === undefined || trafficLimit === undefined) return wanted ?? trafficLimit
  return Math.min(wanted, trafficLimit)
}
