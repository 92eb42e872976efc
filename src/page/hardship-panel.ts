import { type DemoState, type Hardship, setHardship } from './demo-server.ts'
import { at, make, setText } from './elements.ts'

const SWITCHES: Record<Hardship, { title: string; effect: string }> = {
  shortCredentials: {
    title: 'Credentials expire in 3 s',
    effect:
      'COS takes parts for three seconds, and refuses what comes later. The client has that renewed, and sends what was refused again.',
  },
  slowSmh: {
    title: 'SMH is slow',
    effect:
      'Every call to it takes 2 s longer: to begin, to renew, to complete. Parts do not wait.',
  },
  slowParts: {
    title: 'COS is slow',
    effect: 'Every part takes 1 s longer. Time to pause, to reload, to go on elsewhere.',
  },
  partLost: {
    title: 'A part is lost',
    effect: 'The next part does not arrive. It is sent again, and no other.',
  },
  networkOff: {
    title: 'Network off',
    effect: 'All connections to gateway and COS break. Uploads wait, and go on by themselves.',
  },
}

const COUNTS: Record<keyof DemoState['counts'], string> = {
  partsReceived: 'Parts received',
  partsAgain: 'Sent again',
  renewals: 'Renewals',
  filesStored: 'Files stored',
}

/** The switches by which the demo is made hard, and what came of them since the page was opened. */
export function createHardshipPanel() {
  const inputs = new Map<Hardship, HTMLInputElement>()
  let first: DemoState['counts'] | undefined

  for (const [hardship, { title, effect }] of Object.entries(SWITCHES)) {
    const id = `hardship-${hardship}`
    const input = make('input', { type: 'checkbox', id })
    input.setAttribute('role', 'switch')
    input.setAttribute('aria-describedby', `${id}-effect`)
    input.addEventListener('change', () => {
      setHardship(hardship as Hardship, input.checked).catch(() => {
        input.checked = !input.checked
      })
    })
    inputs.set(hardship as Hardship, input)
    const label = make('label', { htmlFor: id }, title)
    const text = make('p', { id: `${id}-effect`, className: 'quiet' }, effect)
    at('hardships').append(make('li', {}, input, label, text))
  }
  const numbers = Object.entries(COUNTS).map(([name, title]) => {
    const number = make('dd', {}, '0')
    at('counts').append(make('div', {}, make('dt', {}, title), number))
    return [name as keyof DemoState['counts'], number] as const
  })

  return {
    show({ hardships, counts, lostPart }: DemoState): void {
      for (const [hardship, input] of inputs) input.checked = hardships[hardship]
      first ??= counts
      for (const [name, number] of numbers) setText(number, String(counts[name] - first[name]))
      setText(at('lost'), lostPart ? wordsOf(lostPart) : '')
    },
  }
}

function wordsOf({ number, received }: NonNullable<DemoState['lostPart']>): string {
  return received ? `Part ${number} was lost, and sent again.` : `Part ${number} was lost.`
}
