import type { DemoState, Hardship } from '../demo/hardships.ts'

export type { DemoState, Hardship }

export interface Settings {
  gatewayUrl: string
  /** Whom one can be. */
  users: string[]
}

/** A file as SMH has it. */
export interface Stored {
  /** Relative to the user's folder. */
  path: string[]
  size: number
  crc64: string
}

async function get<Answer>(path: string): Promise<Answer> {
  const response = await fetch(path)
  if (!response.ok) throw new Error(`The demo answers ${response.status}.`)
  return response.json()
}

export const readSettings = () => get<Settings>('/settings.json')

export const readStored = (user: string) =>
  get<Stored[]>(`/stored?${new URLSearchParams({ user })}`)

/** A JWT for this user, as an app has one from its own sign-in. */
export async function readToken(user: string): Promise<string> {
  const { token } = await get<{ token: string }>(`/token?${new URLSearchParams({ user })}`)
  return token
}

/** Switches a hardship; that it is so is told by the next state. */
export async function setHardship(hardship: Hardship, isOn: boolean): Promise<void> {
  await fetch('/hardships', { method: 'POST', body: JSON.stringify({ hardship, isOn }) })
}

/** Tells how things stand, now and at every change, and whether the demo still answers. */
export function watchState(
  onState: (state: DemoState) => void,
  onAnswers: (answers: boolean) => void,
): void {
  const events = new EventSource('/events')
  events.addEventListener('open', () => onAnswers(true))
  events.addEventListener('error', () => onAnswers(false))
  events.addEventListener('message', ({ data }) => onState(JSON.parse(data)))
}
