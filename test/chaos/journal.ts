import type { StoredFile } from '../../src/client/index.ts'
import type { Fingerprint } from './content.ts'
import type { PlannedUpload } from './plan.ts'
import { createTraffic, type Traffic } from './traffic.ts'

/** One upload as its user knows it: what the user wanted, and the responses the user received. */
export interface Attempt {
  /** Sent as metadata, so that a stored file names its attempt. */
  id: string
  wanted: Pick<PlannedUpload, 'user' | 'path' | 'strategy' | 'settleBy' | 'gateway'> & Fingerprint
  content: Pick<PlannedUpload, 'content' | 'size'>
  /** The current one. A simple upload that begins again changes it. */
  confirmKey: string | undefined
  /** All that a response named. */
  confirmKeys: Set<string>
  /** Every stored file that a response named for it; all of them should be equal. */
  stored: Pick<StoredFile, 'path' | 'crc64' | 'size'>[]
  /** Error codes of the other responses; `left` when the user closed the page before a response. */
  errorCodes: string[]
  /** Error codes of responses after the first that said "stored". */
  errorCodesAfterStored: string[]
  /** Begins without a usable response. */
  lostBegins: number
  /** Begins with the full hash, which may store a file at once. */
  instantBegins: number
  beganAt: number
  /** When a response first said that the file is stored. */
  storedAt: number | undefined
  /** The definite response at the end, when all failures are over. */
  settled: 'stored' | 'gone' | undefined
}

/** What happened during a campaign, for the verdict and the report. */
export interface Journal {
  attempts: Attempt[]
  traffic: Traffic
  /** Open uploads that users found in their lists in the end, and aborted. */
  tidied: number
  /** Responses to attackers with another user's confirm key: how many of each `status code`. */
  attackerResponses: Map<string, number>
  completedAgain: number
  /** What should never happen, seen during the campaign. */
  incidents: string[]
}

export function createJournal(): Journal {
  return {
    attempts: [],
    traffic: createTraffic(),
    tidied: 0,
    attackerResponses: new Map(),
    completedAgain: 0,
    incidents: [],
  }
}
