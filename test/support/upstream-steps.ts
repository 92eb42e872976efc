import type { DemoUser } from '../../src/demo/demo-users.ts'
import type { Fault } from '../../src/emulator/faults.ts'
import type { RouteName } from '../../src/emulator/route-names.ts'
import { ann, type Harness, startHarness } from './harness.ts'
import type { LaunchedGateway } from './launch.ts'

/** One call of the gateway to SMH or the issuer, and a request that causes it. */
interface Step {
  /** The call of this step. */
  route: RouteName
  /** The call to SMH before it in the same request, if there is one. */
  before?: RouteName
  /** Prepares without faults. Resolves to the request that then causes the step. */
  arrange(harness: Harness): Promise<(on: LaunchedGateway) => Promise<Response>>
}

const hour = 3_600_000
let names = 0

function beginIn(folder: string) {
  return async (harness: Harness) => {
    await harness.begin({ path: 'warm', size: 3 })
    names += 1
    const path = folder === '' ? `b${names}` : `${folder}${names}/b`
    return (on: LaunchedGateway) =>
      harness.request('POST', '/v1/uploads', { on, body: { path, size: 3 } })
  }
}

function onUpload(
  method: string,
  suffix: string,
  before?: (harness: Harness, key: string) => unknown,
) {
  return async (harness: Harness) => {
    names += 1
    const { confirmKey } = await harness.uploadParts(`u${names}`, [new Uint8Array(3)])
    await before?.(harness, confirmKey)
    const path = `/v1/uploads/${confirmKey}${suffix}`
    return (on: LaunchedGateway) => harness.request(method, path, { on })
  }
}

const afterFolder = (harness: Harness) => () => harness.smhCalls('create-directory').length > 0

/** Every step with SMH, by the name of its column. */
export const steps: Record<string, Step & { match?: (harness: Harness) => () => boolean }> = {
  mint: {
    route: 'mint-token',
    arrange(harness) {
      harness.advance(2 * hour)
      names += 1
      const body = { path: `b${names}`, size: 3 }
      return Promise.resolve((on) => harness.request('POST', '/v1/uploads', { on, body }))
    },
  },
  begin: { route: 'begin-multipart', arrange: beginIn('') },
  folder: { route: 'create-directory', before: 'begin-multipart', arrange: beginIn('folder') },
  again: {
    route: 'begin-multipart',
    before: 'create-directory',
    match: afterFolder,
    arrange: beginIn('again'),
  },
  status: { route: 'status', arrange: onUpload('GET', '') },
  renew: { route: 'renew', arrange: onUpload('POST', '/renew') },
  confirm: { route: 'confirm', before: 'status', arrange: onUpload('POST', '/complete') },
  cancel: { route: 'cancel', arrange: onUpload('DELETE', '') },
  file: {
    route: 'directory-info',
    before: 'status',
    arrange: onUpload('POST', '/complete', (harness, confirmKey) =>
      harness.complete({ confirmKey }),
    ),
  },
}

/** A harness for one column, with a second gateway whose upstream timeout is one second instead of ten. */
export async function startColumn(environment: Parameters<typeof startHarness>[0] = {}) {
  const common = { UPLOAD_PATH_PREFIX: '/', RATE_LIMIT_PER_MINUTE: '0' }
  const own = environment.environment
  const harness = await startHarness({
    environment: async (parts) => ({
      ...common,
      ...(typeof own === 'function' ? await own(parts) : own),
    }),
  })
  const hasty = await harness.startAnother(async (parts) => ({
    ...common,
    ...(typeof own === 'function' ? await own(parts) : own),
    UPSTREAM_TIMEOUT_SECONDS: '1',
  }))
  return { harness, hasty }
}

/** The issuer's two documents, by the name of their column: the emulator serves them, and its faults. */
export const documents = {
  discovery: {
    variables: (smhUrl: string) => ({ JWT_ISSUER: smhUrl }),
    user: (smhUrl: string): DemoUser => ({ ...ann, claims: { iss: smhUrl } }),
    good: (harness: Harness) => ({
      issuer: harness.emulator.smhUrl,
      jwks_uri: `${harness.issuer.issuer}/keys`,
    }),
  },
  keys: {
    variables: (smhUrl: string) => ({ JWT_JWKS_URL: `${smhUrl}/keys` }),
    user: () => ann,
    good: async (harness: Harness) => (await fetch(`${harness.issuer.issuer}/keys`)).json(),
  },
}

export type DocumentName = keyof typeof documents

/** A row of a table: the fault. */
export interface Row {
  fault: Fault | 'refused'
  /** The Retry-After of the fault. */
  retryAfter?: string
  /** The fault lasts longer than the one-second timeout. */
  slow?: boolean
}

/**
 * A table written down, `answer·calls` in each cell, as an object of its rows. Columns are at least
 * two spaces apart from the name of their row.
 */
export function readTable(text: string): Record<string, Record<string, string>> {
  const [head = '', ...lines] = text.split('\n').filter((line) => line.trim() !== '')
  const columns = head.trim().split(/\s+/)
  return Object.fromEntries(
    lines.map((line) => {
      const [name = '', rest = ''] = line.trim().split(/\s{2,}(.*)/s)
      const cells = rest.trim().split(/\s+/)
      return [name, Object.fromEntries(columns.map((column, at) => [column, cells[at] ?? '']))]
    }),
  )
}
