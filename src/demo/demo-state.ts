/** The failures that a visitor can simulate. */
export const FAILURES = [
  'shortCredentials',
  'slowSmh',
  'slowParts',
  'partLost',
  'networkOff',
] as const

export type Failure = (typeof FAILURES)[number]

/** The state of the demo, as the page shows it. */
export interface DemoState {
  failures: Record<Failure, boolean>
  /** Since the start of the demo. */
  counts: {
    partsReceived: number
    /** Attempts to send a part that was sent before. */
    partsAgain: number
    renewals: number
    filesStored: number
  }
  /** The part that was lost last, if any, and whether it has been received since. */
  lostPart?: { number: number; received: boolean }
}
