/**
 * An error of SMH (docs/smh-protocol.md#2.2). Programs distinguish errors by `code`. The message is for
 * people.
 */
export class SmhError extends Error {
  readonly status: number
  readonly code: string

  constructor(status: number, code: string, message = sentenceFrom(code)) {
    super(message)
    this.name = 'SmhError'
    this.status = status
    this.code = code
  }
}

/** SMH's message for 'DirectoryNotFound' is 'Directory not found.'. */
function sentenceFrom(code: string): string {
  const words = code.replace(/([a-z0-9])([A-Z])/g, (_, end: string, start: string) => {
    return `${end} ${start.toLowerCase()}`
  })
  return `${words}.`
}

/** An error of COS, which becomes an XML document (docs/smh-protocol.md#11.3). */
export class CosError extends Error {
  readonly status: number
  readonly code: string
  readonly headers: Record<string, string>

  constructor(status: number, code: string, message: string, headers: Record<string, string> = {}) {
    super(message)
    this.name = 'CosError'
    this.status = status
    this.code = code
    this.headers = headers
  }
}
