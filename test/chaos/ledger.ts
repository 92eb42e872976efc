import type { StoredFile } from '../../src/client/index.ts'
import type { Fingerprint } from './content.ts'
import type { PlannedUpload } from './plan.ts'

/** One upload as its user knows it: what was wanted, and what the user was told. */
export interface Attempt {
  /** Goes along as metadata, so that a file tells whose it is. */
  id: string
  wanted: Pick<PlannedUpload, 'user' | 'path' | 'strategy' | 'settleBy' | 'gateway'> & Fingerprint
  content: Pick<PlannedUpload, 'content' | 'size'>
  confirmKey: string | undefined
  /** Every stored file the user was told of for it; all of them should be the same. */
  stored: Pick<StoredFile, 'path' | 'crc64' | 'size'>[]
  /** What the user was told otherwise: codes, or `left` when nobody was there to be told. */
  failures: string[]
  /** The same, of what came after it was told stored. */
  failuresAfter: string[]
  /** Begins that got no answer one can go by. */
  lostBegins: number
  /** Begins with the full hash, which may store a file at once. */
  instantBegins: number
  beganAt: number
  /** When the user was first told that it is stored. */
  storedAt: number | undefined
  /** The definite answer at the end, with all faults gone. */
  settled: 'stored' | 'gone' | undefined
}

/** What came of everything, for the verdict and the report. */
export interface Ledger {
  attempts: Attempt[]
  /** Answers to those who had somebody else's key, by what they were told. */
  strangers: Map<string, number>
  completedAgain: number
  /** What should never happen, seen on the way. */
  faults: string[]
}

export function openLedger(): Ledger {
  return { attempts: [], strangers: new Map(), completedAgain: 0, faults: [] }
}
