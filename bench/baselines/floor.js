// The floor: the cost of the steps that a begin cannot do without. No policy, no signed confirm key, no
// log, no limits; a verified token is cached until it expires.
import { createServer } from 'node:http'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { Agent, request } from 'undici'
import { beginUrl, listening, projected, settings } from './settings.js'

const agent = new Agent()
const keys = createRemoteJWKSet(new URL(settings.jwksUrl))
const cached = new Map()

async function claimsOf(authorization) {
  const known = cached.get(authorization)
  if (known && known.exp * 1000 > Date.now()) return known
  const { issuer, audience } = settings
  const token = authorization.slice('Bearer '.length)
  const { payload } = await jwtVerify(token, keys, { issuer, audience })
  cached.set(authorization, payload)
  return payload
}

function bodyOf(incoming) {
  return new Promise((resolve, reject) => {
    let text = ''
    incoming.setEncoding('utf8')
    incoming.on('data', (piece) => {
      text += piece
    })
    incoming.on('end', () => resolve(JSON.parse(text)))
    incoming.on('error', reject)
  })
}

const server = createServer(async (incoming, response) => {
  const { sub } = await claimsOf(incoming.headers.authorization)
  const reply = await request(beginUrl(sub, await bodyOf(incoming)), {
    method: 'POST',
    dispatcher: agent,
  })
  const answer = JSON.stringify(projected(await reply.body.json()))
  response.writeHead(201, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(answer),
  })
  response.end(answer)
})
server.listen(0, '127.0.0.1', () => listening(`http://127.0.0.1:${server.address().port}`))
