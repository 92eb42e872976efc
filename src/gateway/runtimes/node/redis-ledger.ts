import { hash, randomUUID } from 'node:crypto'
import * as z from 'zod'
import { type SharedLedger, UnreadableEntry } from '../../ledger/fallback-ledger.ts'
import { countCall } from '../../ledger/gcra.ts'
import {
  type BeginDecision,
  type CountedBegin,
  KEY_RETENTION_MS,
  type LedgerLimits,
  maxListedOf,
} from '../../ledger/ledger.ts'
import { MAX_KEYS, toReplay } from '../../ledger/user-ledger.ts'
import type { Clock } from '../../ports.ts'
import type { RedisConnection } from './redis-connection.ts'
import {
  beganScript,
  beginScript,
  countScript,
  endedScript,
  failedScript,
  listScript,
} from './redis-scripts.ts'

const uploadMethod = z.enum(['multipart', 'simple'])

/** An upload as Redis keeps it. Its field `key`, the Idempotency-Key of its begin, is for the scripts. */
const storedUpload = z.object({
  confirmKey: z.string(),
  scope: z.string(),
  path: z.array(z.string()),
  size: z.number(),
  method: uploadMethod,
  beganAt: z.number(),
  endsAt: z.number(),
})

const storedReplay = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.literal('upload'), confirmKey: z.string(), method: uploadMethod }),
  z.object({ outcome: z.literal('stored'), path: z.array(z.string()) }),
  z.object({ outcome: z.literal('full_hash_required') }),
  z.object({ outcome: z.literal('complete') }),
])

/** What the script of `begin` returns: the decision, the state of the rate, and what belongs to the decision. */
const beginReply = z.union([
  z.tuple([z.enum(['admitted', 'rate_limited', 'key_reused', 'in_progress']), z.string()]),
  z.tuple([z.enum(['replay', 'too_many_open']), z.string(), z.string()]),
])

export interface RedisLedgerOptions {
  connection: RedisConnection
  /** Separates gateways for other users: its issuer, user claim and library. */
  realm: readonly string[]
  limits: LedgerLimits
  clock: Clock
  /** For tests. Default: the clock of the server. */
  serverClock?: Clock
}

/** Creates the ledger of all instances that use the same Redis. Its calls reject while Redis is away. */
export function createRedisLedger(options: RedisLedgerOptions): SharedLedger {
  const { connection, realm, limits, clock, serverClock } = options
  const { perMinute, maxOpen, maxAgeMs, runningMs } = limits
  const maxListed = String(maxListedOf(limits))
  const time = () => (serverClock ? String(serverClock()) : '')

  /** What the names of the user's keys start with. They share a slot of a cluster, and name no user. */
  const prefixOf = (userId: string) => `smhgw:{${digest(JSON.stringify([...realm, userId]))}}`

  const keyNames = (prefix: string, key: string | undefined) =>
    key === undefined ? [] : [`${prefix}:key:${key}`]

  /** Completes a count of the script: the same rule, from the same state. */
  function counted(ahead: unknown): CountedBegin {
    if (perMinute === 0) return { rate: undefined, waitMs: 0 }
    const { rate, waitMs } = countCall(finite(ahead), 0, perMinute)
    return { rate, waitMs }
  }

  return {
    ping: connection.ping,
    reset: connection.drop,
    async count(userId) {
      const args = [time(), String(perMinute), String(maxAgeMs)]
      return counted(await connection.run(countScript, [`${prefixOf(userId)}:rate`], args))
    },
    async begin(userId, idempotency, replaces) {
      const prefix = prefixOf(userId)
      const ticket = { id: randomUUID(), idempotency }
      const keys = [`${prefix}:rate`, `${prefix}:ends`, `${prefix}:open`]
      const reply = await connection.run(
        beginScript,
        [...keys, ...keyNames(prefix, idempotency?.key)],
        [
          time(),
          ...[perMinute, maxAgeMs, maxOpen, runningMs].map(String),
          ticket.id,
          idempotency?.fingerprint ?? '',
          replaces === undefined ? '' : digest(replaces),
        ],
      )
      const [kind, ahead, more] = beginReply.parse(reply)
      const { rate, waitMs } =
        replaces === undefined ? counted(ahead) : { rate: undefined, waitMs: 0 }
      const decisions = {
        admitted: () => ({ kind: 'admitted', rate, ticket }),
        rate_limited: () => ({ kind: 'rate_limited', rate, waitMs }),
        key_reused: () => ({ kind: 'key_reused', rate }),
        in_progress: () => ({ kind: 'in_progress', rate }),
        replay: () => ({ kind: 'replay', rate, record: read(storedReplay, more) }),
        too_many_open: () => ({ kind: 'too_many_open', rate, waitMs: finite(more) }),
      } satisfies Record<typeof kind, () => BeginDecision>
      return decisions[kind]()
    },
    async began(userId, { id, idempotency }, record) {
      const prefix = prefixOf(userId)
      const upload = record.outcome === 'upload' ? record.upload : undefined
      const openForMs = upload ? Math.max(0, upload.endsAt - clock()) : Number.POSITIVE_INFINITY
      await connection.run(
        beganScript,
        [
          ...['ends', 'open', 'keys'].map((name) => `${prefix}:${name}`),
          ...keyNames(prefix, idempotency?.key),
        ],
        [
          time(),
          String(maxAgeMs),
          id,
          upload ? digest(upload.confirmKey) : '',
          upload ? JSON.stringify({ ...upload, key: idempotency?.key }) : '',
          String(upload ? openForMs : 0),
          maxListed,
          idempotency?.fingerprint ?? '',
          JSON.stringify(toReplay(record)),
          String(Math.min(openForMs, KEY_RETENTION_MS, maxAgeMs)),
          idempotency?.key ?? '',
          String(MAX_KEYS),
          `${prefix}:key:`,
        ],
      )
    },
    async failed(userId, { id, idempotency }) {
      const prefix = prefixOf(userId)
      const keys = [`${prefix}:ends`, ...keyNames(prefix, idempotency?.key)]
      await connection.run(failedScript, keys, [id])
    },
    async ended(userId, confirmKey, how) {
      const prefix = prefixOf(userId)
      const args = [digest(confirmKey), how, `${prefix}:key:`]
      await connection.run(endedScript, [`${prefix}:ends`, `${prefix}:open`], args)
    },
    async list(userId) {
      const prefix = prefixOf(userId)
      const keys = [`${prefix}:ends`, `${prefix}:open`]
      const reply = await connection.run(listScript, keys, [time(), maxListed])
      const uploads = z
        .array(z.string())
        .parse(reply)
        .map((text) => read(storedUpload, text))
      // Redis has them by their ends, which may be whole seconds.
      return uploads.sort((one, other) => other.beganAt - one.beganAt)
    },
  }
}

const digest = (text: string) => hash('sha256', text, 'base64url')

/** @throws UnreadableEntry if this version cannot read the entry */
function read<T extends z.ZodType>(schema: T, text = ''): z.output<T> {
  try {
    return schema.parse(JSON.parse(text))
  } catch {
    throw new UnreadableEntry()
  }
}

/** @throws Error if Redis returned something else than a number */
function finite(text: unknown): number {
  return z.coerce.number().parse(text)
}
