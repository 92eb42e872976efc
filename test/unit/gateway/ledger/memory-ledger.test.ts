import { describe } from 'vitest'
import { createMemoryLedger } from '../../../../src/gateway/ledger/memory-ledger.ts'
import { testLedger } from '../../../support/ledger-contract.ts'

describe('memory ledger', () => {
  testLedger(({ limits, clock }) => createMemoryLedger({ limits, clock, monotonicClock: clock }))
})
