import type { DemoState, Failure } from '../demo-state.ts'

export type { DemoState, Failure }

/** A user as whom the visitor can sign in. */
export interface DemoUser {
  /** The `sub` of the user's JWT. */
  id: string
  name: string
}

export interface Settings {
  /** Differs between two runs of the demo. */
  run: string
  gatewayUrl: string
  users: DemoUser[]
  /** The largest file that the gateway permits. */
  maxBytes: number
}

/** A file in SMH. */
export interface Stored {
  /** Relative to the user's folder. */
  path: string[]
  size: number
  crc64: string
}

async function get<Body>(path: string): Promise<Body> {
  const response = await fetch(path)
  if (!response.ok) throw new Error(`The demo responded with status ${response.status}.`)
  return response.json()
}

export const readSettings = () => get<Settings>('/settings.json')

export const readStored = (user: DemoUser) =>
  get<Stored[]>(`/stored?${new URLSearchParams({ user: user.id })}`)

/** Fetches a JWT for this user. A real app gets one from its sign-in. */
export async function readToken(user: DemoUser): Promise<string> {
  const { token } = await get<{ token: string }>(`/token?${new URLSearchParams({ user: user.id })}`)
  return token
}

/** Switches a simulated failure on or off. The next state event confirms it. */
export async function setFailure(failure: Failure, isOn: boolean): Promise<void> {
  await fetch('/failures', { method: 'POST', body: JSON.stringify({ failure, isOn }) })
}

/** Reports the demo's state, now and at every change, and whether the demo responds. */
export function watchState(
  onState: (state: DemoState) => void,
  onConnection: (isConnected: boolean) => void,
): void {
  const events = new EventSource('/events')
  events.addEventListener('open', () => onConnection(true))
  events.addEventListener('error', () => onConnection(false))
  events.addEventListener('message', ({ data }) => onState(JSON.parse(data)))
}
