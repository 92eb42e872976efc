/** A value that must not be seen. It has no form that JSON, a template string or a log could show. */
export interface Secret {
  reveal(): string
}

/** Wraps `text` so that only a call of `reveal` shows it. */
export function conceal(text: string): Secret {
  return Object.freeze({ reveal: () => text })
}
