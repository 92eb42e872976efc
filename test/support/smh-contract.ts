import type { SmhClient } from './smh-client.ts'

/** What the contract suites share: a client, a folder of their own and a full uploader's token. */
export interface Contract {
  smh: SmhClient
  folder: string
  uploader: string
}
