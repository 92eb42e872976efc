import { at, make } from './elements.ts'
import { linkTo } from './handover.ts'
import { confirmKeyOf, type Person } from './person.ts'

/** Shows a link for each upload of a person that can be gone on with elsewhere. */
export function createLinks() {
  let shown = ''

  return {
    show(person: Person): void {
      const links = person.unfinished().map((file) => ({
        name: file.name,
        url: linkTo({
          confirmKey: confirmKeyOf(file)!,
          name: file.name,
          size: file.size ?? 0,
          user: person.name,
        }),
      }))
      // Made anew only when they are others: somebody may be about to copy one.
      const urls = links.map(({ url }) => url).join(' ')
      if (urls === shown) return
      shown = urls
      at('elsewhere').hidden = links.length === 0
      at('elsewhere-whose').textContent = person.name
      at('links').replaceChildren(...links.map(itemOf))
    },
  }
}

function itemOf({ name, url }: { name: string; url: string }): HTMLLIElement {
  const field = make('input', { type: 'text', readOnly: true, value: url })
  field.setAttribute('aria-label', `Link to go on with ${name}`)
  field.addEventListener('focus', () => field.select())
  const button = make('button', { type: 'button' }, 'Copy link')
  button.setAttribute('aria-label', `Copy link to go on with ${name}`)
  button.addEventListener('click', async () => {
    field.select()
    // Where pages may not write to it, the link stays selected.
    const copied = await navigator.clipboard.writeText(url).then(
      () => true,
      () => false,
    )
    button.textContent = copied ? 'Copied' : 'Press Ctrl+C'
  })
  const row = make('div', { className: 'row' }, field, button)
  return make('li', {}, make('span', { className: 'name' }, name), row)
}
