import { afterEach, describe, expect, test, vi } from 'vitest'
import { createUploadClient } from '../../src/client/index.ts'
import { sendByXhr } from '../../src/client/send-part.ts'
import { ann, MiB, someBytes, startHarness } from '../support/harness.ts'

/** The used part of XMLHttpRequest on top of fetch. It reports progress at half. */
function fakeXhr() {
  return class {
    readonly upload: { onprogress?: (event: { loaded: number }) => void } = {}
    status = 0
    responseText = ''
    onload = () => {}
    onerror = () => {}
    onprogress = (_event: { loaded: number }) => {}
    onabort = () => {}
    onloadend = () => {}
    readonly #headers = new Headers()
    readonly #aborting = new AbortController()
    #target = ''
    #method = ''
    #answered = new Headers()

    open(method: string, target: string) {
      this.#method = method
      this.#target = target
    }
    setRequestHeader(name: string, value: string) {
      this.#headers.set(name, value)
    }
    getAllResponseHeaders() {
      return Array.from(this.#answered, ([name, value]) => `${name}: ${value}\r\n`).join('')
    }
    async send(body: Blob) {
      const { signal } = this.#aborting
      try {
        this.upload.onprogress?.({ loaded: Math.floor(body.size / 2) })
        const headers = this.#headers
        const response = await fetch(this.#target, { method: this.#method, headers, body, signal })
        this.status = response.status
        this.#answered = response.headers
        for await (const text of response.body!.pipeThrough(new TextDecoderStream())) {
          this.responseText += text
          this.onprogress({ loaded: this.responseText.length })
          signal.throwIfAborted()
        }
        this.onload()
      } catch {
        if (signal.aborted) this.onabort()
        else this.onerror()
      }
      this.onloadend()
    }
    abort() {
      this.#aborting.abort()
    }
  }
}

afterEach(() => {
  vi.unstubAllGlobals()
})

describe('sendByXhr', () => {
  test('reports progress', async () => {
    const harness = await startHarness()
    vi.stubGlobal('XMLHttpRequest', fakeXhr())
    const client = createUploadClient({
      gateway: harness.gateway.url,
      getToken: () => harness.issuer.token(ann),
      cosScheme: 'http',
      partSize: MiB,
      partsInParallel: 1,
    })
    const progress: number[] = []
    const upload = client.upload(new Blob([someBytes(2 * MiB)]), {
      path: 'a.bin',
      onProgress: ({ sentBytes }) => progress.push(sentBytes),
    })
    expect(await upload.done).toMatchObject({ size: 2 * MiB })
    expect(progress).toEqual([0, 0.5, 1, 1.5, 2].map((mib) => mib * MiB))
  })

  const request = (url: string, signal = new AbortController().signal) => ({
    url,
    headers: { 'x-smh-test': 'a' },
    body: new Blob(['x']),
    signal,
    onSent: () => {},
  })

  test('returns status, headers and body of the response', async () => {
    const { emulator } = await startHarness()
    vi.stubGlobal('XMLHttpRequest', fakeXhr())
    const reply = await sendByXhr(request(`${emulator.cosUrl}/none?uploadId=1&partNumber=1`))
    expect(reply.status).toBe(403)
    expect(reply.text).toContain('<Code>')
    expect(reply.header('Content-Type')).toContain('xml')
  })

  test('reads an endless response only to the limit', async () => {
    vi.stubGlobal('XMLHttpRequest', fakeXhr())
    const pull = (controller: ReadableStreamDefaultController) =>
      controller.enqueue(new TextEncoder().encode(' '.repeat(65_536)))
    const cancelled = Promise.withResolvers<void>()
    vi.stubGlobal('fetch', async () => {
      const body = new ReadableStream({ pull, cancel: () => cancelled.resolve() })
      return new Response(body, { status: 503 })
    })
    const reply = await sendByXhr(request('http://127.0.0.1/'))
    expect(reply.status).toBe(503)
    expect(reply.text.length).toBeLessThan(MiB)
    await cancelled.promise
  })

  test('rejects with a TypeError when the network fails, as fetch does', async () => {
    const { emulator } = await startHarness()
    emulator.controls.force('put-part', { drop: 'before' })
    vi.stubGlobal('XMLHttpRequest', fakeXhr())
    const sent = sendByXhr(request(`${emulator.cosUrl}/none?uploadId=1&partNumber=1`))
    await expect(sent).rejects.toThrow(TypeError)
  })

  test('rejects when the signal is aborted', async () => {
    const { emulator } = await startHarness()
    vi.stubGlobal('XMLHttpRequest', fakeXhr())
    const before = AbortSignal.abort(new Error('enough'))
    await expect(sendByXhr(request(emulator.cosUrl, before))).rejects.toThrow('enough')
    const meanwhile = new AbortController()
    const sent = sendByXhr(request(emulator.cosUrl, meanwhile.signal))
    meanwhile.abort(new Error('enough'))
    await expect(sent).rejects.toThrow('enough')
  })
})
