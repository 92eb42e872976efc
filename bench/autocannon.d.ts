/** What the benchmark uses of autocannon, which has no types of its own and is installed in this folder. */
declare module 'autocannon' {
  interface Client {
    setRequests(requests: readonly object[]): void
  }
  interface Result {
    errors: number
  }
  interface Instance extends PromiseLike<Result> {
    on(event: 'response', listener: (client: Client, statusCode: number) => void): this
  }
  export default function autocannon(options: {
    url: string
    connections: number
    amount: number
    sampleInt: number
    setupClient(client: Client): void
  }): Instance
}
