// Fastify as its users write it: @fastify/jwt with its cache, a schema, undici.
import { createPublicKey } from 'node:crypto'
import fastifyJwt from '@fastify/jwt'
import Fastify from 'fastify'
import { Agent, request } from 'undici'
import { beginUrl, listening, projected, settings } from './settings.js'

const agent = new Agent()
const { keys } = await (await fetch(settings.jwksUrl)).json()
const publicKey = createPublicKey({ key: keys[0], format: 'jwk' })

const app = Fastify()
app.register(fastifyJwt, {
  secret: { public: publicKey.export({ type: 'spki', format: 'pem' }) },
  verify: {
    algorithms: ['ES256'],
    allowedIss: settings.issuer,
    allowedAud: settings.audience,
    cache: 10_000,
  },
})

const body = {
  type: 'object',
  required: ['path', 'size'],
  properties: { path: { type: 'string' }, size: { type: 'integer', minimum: 1 } },
}
app.post(
  '/v1/uploads',
  { schema: { body }, onRequest: (incoming) => incoming.jwtVerify() },
  async (incoming, answer) => {
    const reply = await request(beginUrl(incoming.user.sub, incoming.body), {
      method: 'POST',
      dispatcher: agent,
    })
    answer.code(201)
    return projected(await reply.body.json())
  },
)

listening(await app.listen({ port: 0, host: '127.0.0.1' }))
