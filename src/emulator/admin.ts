import { Hono } from 'hono'
import type { EmulatorControls } from './controls.ts'
import type { Fault, HeldFault } from './faults.ts'
import { ROUTE_NAMES, type RouteName } from './route-names.ts'
import type { Variant } from './state.ts'

type Arguments = Record<string, unknown>

interface Control {
  /** The arguments that `GET /__admin` shows. */
  usage: string
  act(given: Arguments): unknown
}

/**
 * The controls over HTTP: `POST /__admin/<name>` with a JSON object of named arguments. Controls that
 * only read also answer `GET`. `times: null` in a fault means Infinity. `hold` returns a number for
 * `release`. `GET /__admin` lists all controls.
 */
export function createAdmin(controls: EmulatorControls): Hono {
  const holds = createHolds(controls)
  const readers = { ...readingControls(controls), ...holds.readers }
  const all = { ...readers, ...actingControls(controls), ...holds.actors }
  const app = new Hono()
  app.get('/__admin', (context) => {
    const usage = (some: Record<string, Control>) =>
      Object.fromEntries(Object.entries(some).map(([name, control]) => [name, control.usage]))
    return context.json({ get: usage(readers), post: usage(all), routes: ROUTE_NAMES })
  })
  app.get('/__admin/:name', (context) => {
    const control = readers[context.req.param('name')]
    return control ? context.json(control.act(context.req.query())) : context.notFound()
  })
  app.post('/__admin/:name', async (context) => {
    const control = all[context.req.param('name')]
    if (!control) return context.notFound()
    const text = await context.req.text()
    const result = await control.act(text === '' ? {} : objectOf(JSON.parse(text)))
    return context.json(result ?? {})
  })
  app.notFound((context) => context.json({ error: 'No such control.' }, 404))
  app.onError((error, context) => context.json({ error: error.message }, 400))
  return app
}

function readingControls(controls: EmulatorControls): Record<string, Control> {
  return {
    calls: { usage: '{}', act: () => controls.calls() },
    files: {
      usage: '{ spaceId?: string }',
      act: ({ spaceId }) => controls.files(optional(spaceId, 'string')),
    },
    directories: {
      usage: '{ spaceId?: string }',
      act: ({ spaceId }) => controls.directories(optional(spaceId, 'string')),
    },
    'open-tasks': { usage: '{}', act: () => controls.openTasks() },
  }
}

function actingControls(controls: EmulatorControls): Record<string, Control> {
  return {
    reset: { usage: '{}', act: () => controls.reset() },
    'advance-clock': {
      usage: '{ ms: number }',
      act: ({ ms }) => controls.advanceClock(required(ms, 'number')),
    },
    'expire-token': {
      usage: '{ token?: string }',
      act: ({ token }) => controls.expireToken(optional(token, 'string')),
    },
    'set-library-secret': {
      usage: '{ secret: string, keepOld?: boolean }',
      act: ({ secret, keepOld }) =>
        controls.setLibrarySecret(required(secret, 'string'), {
          keepOld: optional(keepOld, 'boolean') ?? false,
        }),
    },
    'expire-credentials': {
      usage: '{ confirmKey?: string }',
      act: ({ confirmKey }) => controls.expireCredentials(optional(confirmKey, 'string')),
    },
    'set-credential-ttl': {
      usage: '{ seconds: number | null }',
      act: ({ seconds }) => controls.setCredentialTtl(seconds === null ? null : count(seconds)),
    },
    'cos-down': {
      usage: '{ isDown: boolean }',
      act: ({ isDown }) => controls.cosDown(required(isDown, 'boolean')),
    },
    'clear-calls': { usage: '{}', act: () => controls.clearCalls() },
    'set-quota': {
      usage: '{ spaceId: string, bytes: number | null }',
      act: ({ spaceId, bytes }) =>
        controls.setQuota(required(spaceId, 'string'), bytes === null ? null : count(bytes)),
    },
    force: {
      usage: `{ route: string, fault: { ${FAULT_FIELDS.map((name) => `${name}?`).join(', ')} } }`,
      act: ({ route, fault }) => void controls.force(routeName(route), faultOf(fault)),
    },
    'clear-faults': { usage: '{}', act: () => controls.clearFaults() },
    'refuse-connections': {
      usage: '{ refused: boolean }',
      act: ({ refused }) => controls.refuseConnections(required(refused, 'boolean')),
    },
    'corrupt-part': {
      usage: '{ confirmKey: string, partNumber: number }',
      act: ({ confirmKey, partNumber }) =>
        controls.corruptPart(required(confirmKey, 'string'), count(partNumber)),
    },
    'lose-confirm-response': {
      usage: '{ times?: number }',
      act: ({ times }) => controls.loseConfirmResponse(optional(times, 'number')),
    },
    'set-variant': {
      usage:
        "{ variant: { beginStatus?: 200 | 201, uploadIncompleteStatus?: 404 | 400, flags?: 'any' | 'bare' | 'valued' } }",
      act: ({ variant }) => controls.setVariant(variantOf(variant)),
    },
    'add-extra-reply-fields': {
      usage: '{ fields: object }',
      act: ({ fields }) => controls.addExtraReplyFields(objectOf(fields)),
    },
  }
}

/** The holds that HTTP clients have made, by number. */
function createHolds(controls: EmulatorControls) {
  const holds = new Map<number, { route: RouteName; reached: boolean; release(): void }>()
  let last = 0
  const readers: Record<string, Control> = {
    holds: {
      usage: '{}',
      act: () => [...holds].map(([hold, { route, reached }]) => ({ hold, route, reached })),
    },
  }
  const actors: Record<string, Control> = {
    hold: {
      usage: `{ route: string, fault: { at?, ${FAULT_FIELDS.map((name) => `${name}?`).join(', ')} } }`,
      act({ route, fault }) {
        const { at, ...others } = objectOf(fault)
        const name = routeName(route)
        const hold = controls.hold(name, { ...faultOf(others), ...holdPoint(at) })
        const entry = { route: name, reached: false, release: hold.release }
        last += 1
        holds.set(last, entry)
        void hold.reached.then(() => {
          entry.reached = true
        })
        return { hold: last }
      },
    },
    release: {
      usage: '{ hold: number }',
      act({ hold }) {
        const number = count(hold)
        const entry = holds.get(number)
        if (!entry) throw new Error(`No such hold: ${number}.`)
        holds.delete(number)
        entry.release()
      },
    },
  }
  return { readers, actors }
}

interface Types {
  boolean: boolean
  string: string
  number: number
}

function required<Name extends keyof Types>(value: unknown, type: Name): Types[Name] {
  if (typeof value !== type) throw new Error(`An argument is not a ${type}.`)
  return value as Types[Name]
}

function optional<Name extends keyof Types>(value: unknown, type: Name): Types[Name] | undefined {
  return value === undefined || value === null ? undefined : required(value, type)
}

function count(value: unknown): number {
  const number = required(value, 'number')
  if (!Number.isSafeInteger(number) || number < 0)
    throw new Error('An argument is not a whole number.')
  return number
}

function objectOf(value: unknown): Arguments {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Error('An argument is not an object.')
  }
  return value as Arguments
}

function routeName(value: unknown): RouteName {
  const name = ROUTE_NAMES.find((candidate) => candidate === value)
  if (!name) throw new Error(`route must be one of ${ROUTE_NAMES.join(', ')}.`)
  return name
}

/** The fields of a fault that JSON can express. */
const FAULT_FIELDS = [
  'times',
  'status',
  'code',
  'body',
  'contentType',
  'headers',
  'delayMs',
  'bodyDelayMs',
  'drop',
  'userId',
]

function faultOf(value: unknown): Fault {
  const { times, ...fault } = objectOf(value)
  const unknown = Object.keys(fault).find((name) => !FAULT_FIELDS.includes(name))
  if (unknown !== undefined) throw new Error(`A fault has no field ${unknown}.`)
  if (![undefined, 'before', 'after', 'midway'].includes(fault.drop as string | undefined)) {
    throw new Error("drop must be 'before', 'after' or 'midway'.")
  }
  optional(fault.userId, 'string')
  const left = times === null ? Number.POSITIVE_INFINITY : times
  return { ...fault, ...(left !== undefined && { times: required(left, 'number') }) }
}

function holdPoint(at: unknown): Pick<HeldFault, 'at'> {
  if (at === undefined) return {}
  if (at !== 'arrival' && at !== 'last-byte')
    throw new Error("at must be 'arrival' or 'last-byte'.")
  return { at }
}

function variantOf(value: unknown): Partial<Variant> {
  const { beginStatus, uploadIncompleteStatus, flags, ...others } = objectOf(value)
  const fine =
    [undefined, 200, 201].includes(beginStatus as number | undefined) &&
    [undefined, 400, 404].includes(uploadIncompleteStatus as number | undefined) &&
    [undefined, 'any', 'bare', 'valued'].includes(flags as string | undefined) &&
    Object.keys(others).length === 0
  if (!fine) throw new Error('The emulator does not know this variant.')
  return value as Partial<Variant>
}
