import { type DemoState, type Failure, setFailure } from './demo-server.ts'
import { at, make, setText } from './elements.ts'

const SWITCHES: Record<Failure, { title: string; effect: string }> = {
  shortCredentials: {
    title: 'Credentials expire in 3 s',
    effect:
      'COS rejects later parts. The client renews the credentials and sends rejected parts again.',
  },
  slowSmh: {
    title: 'SMH is slow',
    effect: 'Each call to begin, renew or complete takes 2 s longer.',
  },
  slowParts: {
    title: 'COS is slow',
    effect: 'Each part takes 1 s longer. Use the time to pause, reload, or continue elsewhere.',
  },
  partLost: {
    title: 'A part is lost',
    effect: 'The next part does not arrive. The client sends only this part again.',
  },
  networkOff: {
    title: 'Network off',
    effect: 'All connections to gateway and COS break. Uploads wait and continue automatically.',
  },
}

const COUNTS: Record<keyof DemoState['counts'], string> = {
  partsReceived: 'Parts received',
  partsAgain: 'Sent again',
  renewals: 'Renewals',
  filesStored: 'Files stored',
}

/** Creates the switches that simulate failures, and counters of their effects since the page was opened. */
export function createFailuresCard() {
  const inputs = new Map<Failure, HTMLInputElement>()
  let first: DemoState['counts'] | undefined

  for (const [failure, { title, effect }] of Object.entries(SWITCHES)) {
    const id = `switch-${failure}`
    const input = make('input', { type: 'checkbox', id })
    input.setAttribute('role', 'switch')
    input.setAttribute('aria-describedby', `${id}-effect`)
    input.addEventListener('change', () => {
      setFailure(failure as Failure, input.checked).catch(() => {
        input.checked = !input.checked
      })
    })
    inputs.set(failure as Failure, input)
    const label = make('label', { htmlFor: id }, title)
    const text = make('p', { id: `${id}-effect`, className: 'quiet' }, effect)
    at('switches').append(make('li', {}, input, label, text))
  }
  const numbers = Object.entries(COUNTS).map(([name, title]) => {
    const number = make('dd', {}, '0')
    at('counts').append(make('div', {}, make('dt', {}, title), number))
    return [name as keyof DemoState['counts'], number] as const
  })

  return {
    show({ failures, counts, lostPart }: DemoState): void {
      for (const [failure, input] of inputs) input.checked = failures[failure]
      const on = [...inputs.keys()].filter((failure) => failures[failure])
      setText(at('failures-on'), on.map((failure) => SWITCHES[failure].title).join(', '))
      first ??= counts
      for (const [name, number] of numbers) setText(number, String(counts[name] - first[name]))
      setText(at('lost'), lostPart ? describeLostPart(lostPart) : '')
    },
  }
}

function describeLostPart({ number, received }: NonNullable<DemoState['lostPart']>): string {
  return received ? `Part ${number} was lost and sent again.` : `Part ${number} was lost.`
}
