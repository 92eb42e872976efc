/**
 * A refusal as SMH words it (docs/smh-protocol.md#2.2): `code` is the stable part, the message is for people.
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

/** 'DirectoryNotFound' reads 'Directory not found.' in SMH's own messages. */
function sentenceFrom(code: string): string {
  const words = code.replace(/([a-z0-9])([A-Z])/g, (_, end: string, start: string) => {
    return `${end} ${start.toLowerCase()}`
  })
  return `${words}.`
}

/** A refusal as COS words it (docs/smh-protocol.md#11.3); it becomes an XML document. */
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
