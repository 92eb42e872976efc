import { conceal, type Secret } from './secret.ts'

/** The value that a text stands for, or what is wrong with the text. An issue never quotes the text. */
export type Reading<T> = { value: T } | { issue: string }

/** Turns the text of a configuration variable into its value. */
export interface Reader<T> {
  /** What the text must be. Completes the sentence "NAME must be". */
  expected: string
  /** An issue completes the sentence that starts with the variable's name. */
  read(text: string): Reading<T>
}

/** Reads a text with `parse`, which returns undefined for a text that is not as `expected`. */
export function reader<T>(
  expected: string,
  parse: (text: string) => T | undefined,
): Reader<Exclude<T, undefined>> {
  return {
    expected,
    read(text) {
      const value = parse(text)
      return value === undefined
        ? { issue: `must be ${expected}` }
        : { value: value as Exclude<T, undefined> }
    },
  }
}

export const matching = (expected: string, pattern: RegExp): Reader<string> =>
  reader(expected, (text) => (pattern.test(text) ? text : undefined))

export const secret = (expected: string): Reader<Secret> => reader(expected, conceal)

export function integer(min: number, max: number): Reader<number> {
  return reader(`a whole number from ${min} to ${max}`, (text) => {
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
    return value >= min && value <= max ? value : undefined
  })
}

export const oneOf = <const T extends string>(...choices: readonly T[]): Reader<T> =>
  reader(`one of ${choices.join(', ')}`, (text) => choices.find((choice) => choice === text))

export const flag: Reader<boolean> = reader('true or false', (text) =>
  text === 'true' || text === 'false' ? text === 'true' : undefined,
)

/** Items separated by commas. `parseItem` returns undefined for an item that is not as `expected`. */
export function list<T>(
  expected: string,
  parseItem: (item: string) => T | undefined,
): Reader<readonly T[]> {
  return reader(`${expected}, separated by commas`, (text) => {
    const items = text.split(',').map((item) => item.trim())
    const values = items.map((item) => (item === '' ? undefined : parseItem(item)))
    return values.every((value) => value !== undefined) ? values : undefined
  })
}

/** Like {@link list}, for values whose order and repetition do not matter. */
export function setOf<T>(
  expected: string,
  parseItem: (item: string) => T | undefined,
): Reader<ReadonlySet<T>> {
  const items = list(expected, parseItem)
  return {
    expected: items.expected,
    read(text) {
      const reading = items.read(text)
      return 'issue' in reading ? reading : { value: new Set(reading.value) }
    },
  }
}
