import { hadNoEffect, meaningOf } from '../smh/error-codes.ts'
import { type Refusal, refusalOf, type SmhError, type SmhFailure } from '../smh/smh-error.ts'
import { asksForLater } from '../smh/transport.ts'

/* Decides what to do after a failed confirm, which is not repeatable (docs/smh-protocol.md#5.7). */

/** Whether SMH says that parts are missing. */
export function isIncomplete(error: SmhError): boolean {
  const refusal = refusalOf(error)
  return refusal !== undefined && meaningOf(refusal) === 'upload_incomplete'
}

/** Whether a second confirm may follow one that failed and, by the status, had no effect. */
export function mayConfirmAgain(failure: SmhFailure): boolean {
  switch (failure.kind) {
    case 'connect_failed':
    case 'connection_lost':
    case 'invalid_response':
    case 'aborted':
    case 'circuit_open':
      return true
    // SMH may still work on the first confirm.
    case 'timeout':
      return false
    case 'refused':
      return mayConfirmAfter(failure)
  }
}

function mayConfirmAfter(refusal: Refusal): boolean {
  // The transport has retried what had no effect.
  if (asksForLater(refusal) || hadNoEffect(refusal)) return false
  switch (meaningOf(refusal)) {
    case 'upload_complete':
    case 'unavailable':
    case 'failed':
      return true
    // All other refusals are final.
    default:
      return false
  }
}

/**
 * Whether the upload may be complete despite this failure. A completed upload can also cause the failure.
 */
export function leavesDoubt(failure: SmhFailure): boolean {
  switch (failure.kind) {
    case 'connect_failed':
    case 'connection_lost':
    case 'timeout':
    case 'invalid_response':
    case 'aborted':
    case 'circuit_open':
      return true
    case 'refused':
      return refusalLeavesDoubt(failure)
  }
}

function refusalLeavesDoubt(refusal: Refusal): boolean {
  // Another request that completes this upload may be changing the path.
  if (refusal.code === 'PathConflict') return true
  if (hadNoEffect(refusal)) return false
  switch (meaningOf(refusal)) {
    // Another confirm, or an earlier one whose response was lost, may have stored the file. Then its own name
    // is taken, its task is gone, or it fills the space.
    case 'name_conflict':
    case 'upload_not_found':
    case 'quota_exceeded':
    case 'upload_complete':
    case 'timeout':
    case 'unavailable':
    case 'failed':
      return true
    // SMH reports that the confirm had no effect.
    default:
      return false
  }
}
