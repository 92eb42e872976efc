import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe } from 'vitest'
import { createSmhClient } from '../support/smh-client.ts'
import type { Contract } from '../support/smh-contract.ts'
import { emulatorTarget, onRealSmh, realTarget, type SmhTarget } from '../support/smh-target.ts'
import { conflictContract } from './contract-conflicts.ts'
import { controlledContract } from './contract-controlled.ts'
import { grantContract } from './contract-grants.ts'
import { nameContract } from './contract-names.ts'
import { tokenContract } from './contract-tokens.ts'
import { uploadContract } from './contract-uploads.ts'

/*
 * The contract of docs/smh-protocol.md#14.7, held against the emulator or, with SMH_CONTRACT_ENDPOINT,
 * SMH_CONTRACT_LIBRARY_ID, SMH_CONTRACT_LIBRARY_SECRET and SMH_CONTRACT_SPACE_ID, against the real
 * service. Tests that need the emulator's controls are in contract-controlled.ts and do not run
 * against the real service.
 */
describe(onRealSmh ? 'SMH contract, real service' : 'SMH contract, emulator', () => {
  const folder = `contract-${randomUUID()}`
  let target: SmhTarget
  let contract: Contract

  beforeAll(async () => {
    target = onRealSmh ? realTarget() : await emulatorTarget()
    const smh = createSmhClient(target)
    const uploader = await smh.mint('upload_file_force,create_directory', { user_id: 'contract-1' })
    contract = { smh, folder, uploader }
    await smh.directory('PUT', folder, { token: uploader })
  })

  afterAll(async () => {
    const token = await contract.smh.mint('space_admin')
    await contract.smh.directory('DELETE', folder, { token, query: { permanent: '1' } })
    await target.close()
  })

  uploadContract(() => contract)
  conflictContract(() => contract)
  tokenContract(() => contract)
  grantContract(() => contract)
  nameContract(() => contract)
  if (!onRealSmh) controlledContract()
})
