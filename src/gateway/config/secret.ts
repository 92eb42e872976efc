/** A value that must not become visible. JSON, template strings and logs show nothing of it. */
export interface Secret {
  reveal(): string
}

/** Wraps `text` so that only `reveal` returns it. */
export function conceal(text: string): Secret {
  return Object.freeze({ reveal: () => text })
}
