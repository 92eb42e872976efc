import { Hono } from 'hono'
import type { EmulatorControls } from './controls.ts'
import type { Fault } from './faults.ts'
import { ROUTE_NAMES, type RouteName } from './route-names.ts'
import type { Dialect } from './state.ts'

type Arguments = Record<string, unknown>

/**
 * The controls over HTTP: `POST /__admin/<name>` with a JSON object of named arguments, and
 * `GET` for those that only tell. `times: null` in a fault stands for Infinity.
 */
export function createAdmin(controls: EmulatorControls): Hono {
  const readers: Record<string, (given: Arguments) => unknown> = {
    calls: () => controls.calls(),
    files: ({ spaceId }) => controls.files(optional(spaceId, 'string')),
    directories: ({ spaceId }) => controls.directories(optional(spaceId, 'string')),
    'open-tasks': () => controls.openTasks(),
  }
  const writers: Record<string, (given: Arguments) => unknown> = {
    reset: () => controls.reset(),
    'advance-clock': ({ ms }) => controls.advanceClock(required(ms, 'number')),
    'expire-token': ({ token }) => controls.expireToken(optional(token, 'string')),
    'expire-credentials': ({ confirmKey }) =>
      controls.expireCredentials(optional(confirmKey, 'string')),
    'clear-calls': () => controls.clearCalls(),
    'set-quota': ({ spaceId, bytes }) =>
      controls.setQuota(required(spaceId, 'string'), bytes === null ? null : count(bytes)),
    force: ({ route, fault }) => controls.force(routeName(route), faultOf(fault)),
    'clear-faults': () => controls.clearFaults(),
    'corrupt-part': ({ confirmKey, partNumber }) =>
      controls.corruptPart(required(confirmKey, 'string'), count(partNumber)),
    'lose-confirm-response': ({ times }) => controls.loseConfirmResponse(optional(times, 'number')),
    'set-dialect': ({ dialect }) => controls.setDialect(dialectOf(dialect)),
    'add-extra-reply-fields': ({ fields }) => controls.addExtraReplyFields(objectOf(fields)),
  }

  const app = new Hono()
  app.get('/__admin', (context) =>
    context.json({ get: Object.keys(readers), post: Object.keys({ ...readers, ...writers }) }),
  )
  app.get('/__admin/:name', async (context) => {
    const read = readers[context.req.param('name')]
    return read ? context.json(read(context.req.query())) : context.notFound()
  })
  app.post('/__admin/:name', async (context) => {
    const name = context.req.param('name')
    const act = writers[name] ?? readers[name]
    if (!act) return context.notFound()
    const text = await context.req.text()
    const result = await act(text === '' ? {} : objectOf(JSON.parse(text)))
    return context.json(result ?? {})
  })
  app.notFound((context) => context.json({ error: 'There is no such control.' }, 404))
  app.onError((error, context) => context.json({ error: error.message }, 400))
  return app
}

interface Types {
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
  if (!Number.isSafeInteger(number) || number < 0) throw new Error('An argument is no count.')
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
  if (!name) throw new Error(`route is none of: ${ROUTE_NAMES.join(', ')}.`)
  return name
}

function faultOf(value: unknown): Fault {
  const { times, ...fault } = objectOf(value ?? {})
  return {
    ...fault,
    ...(times !== undefined && { times: times === null ? Infinity : count(times) }),
  }
}

function dialectOf(value: unknown): Partial<Dialect> {
  const { beginStatus, uploadIncompleteStatus, flags, ...others } = objectOf(value)
  const fine =
    [undefined, 200, 201].includes(beginStatus as number | undefined) &&
    [undefined, 400, 404].includes(uploadIncompleteStatus as number | undefined) &&
    [undefined, 'any', 'bare', 'valued'].includes(flags as string | undefined) &&
    Object.keys(others).length === 0
  if (!fine) throw new Error('dialect is not one that the emulator speaks.')
  return value as Partial<Dialect>
}
