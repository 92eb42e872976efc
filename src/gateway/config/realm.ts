import type { Config } from './parse.ts'

/** What user ids are unique within: gateways with the same realm may share secrets and a ledger. */
export function realmOf({ jwt, smh }: Config): readonly string[] {
  return [jwt.issuer, jwt.userClaim, smh.libraryId]
}
