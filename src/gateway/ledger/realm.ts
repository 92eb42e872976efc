import type { Config } from '../config/parse.ts'

/** What user ids are unique within: gateways with the same realm may share a store. */
export function ledgerRealm({ jwt, smh }: Config): readonly string[] {
  return [jwt.issuer, jwt.userClaim, smh.libraryId]
}
