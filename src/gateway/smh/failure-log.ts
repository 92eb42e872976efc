import type { LogReason, LogRecord } from '../log-record.ts'
import { meaningOf } from './error-codes.ts'
import type { SmhFailure } from './smh-error.ts'

const timeoutReasons = {
  smh: 'timeout',
  deadline: 'deadline_exceeded',
  machine: 'stalled',
} as const

/** The reason of a failure. Undefined if the public code already states it. */
export function reasonOf(failure: SmhFailure): LogReason | undefined {
  switch (failure.kind) {
    case 'connect_failed':
      return failure.noDescriptor ? 'no_descriptor' : failure.kind
    case 'connection_lost':
      return failure.kind
    case 'timeout':
      return timeoutReasons[failure.cause]
    case 'aborted':
      return 'client_disconnected'
    case 'invalid_response':
      return failure.problem === 'too_large' ? failure.problem : failure.kind
    case 'circuit_open':
      return failure.scope === 'all' ? 'circuit_open' : 'user_circuit_open'
    case 'refused': {
      const meaning = meaningOf(failure)
      switch (meaning) {
        case 'token_dead':
        case 'misconfigured':
          return 'misconfigured'
        case 'failed':
          return 'refused'
        case 'busy':
        case 'unavailable':
        case 'timeout':
          return meaning
        default:
          return undefined
      }
    }
    // Without this line a missing kind would compile and return undefined.
    default:
      return failure satisfies never
  }
}

/** The log fields of a failure: codes, ids and fixed words, never text from SMH. */
export function smhLogFields(failure: SmhFailure): Partial<LogRecord> {
  const reason = reasonOf(failure)
  const word = reason === undefined ? {} : { reason }
  switch (failure.kind) {
    case 'refused': {
      const { status, code, requestId } = failure
      return {
        ...word,
        smhStatus: status,
        ...(code && { smhCode: code }),
        ...(requestId && { smhRequestId: requestId }),
      }
    }
    case 'invalid_response':
      return { ...word, ...(failure.status && { smhStatus: failure.status }) }
    case 'connect_failed':
    case 'connection_lost':
    case 'timeout':
    case 'aborted':
    case 'circuit_open':
      return word
  }
}
