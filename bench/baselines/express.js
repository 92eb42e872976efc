// Express as its users write it: express-oauth2-jwt-bearer, axios with a keep-alive agent.
import { Agent } from 'node:http'
import axios from 'axios'
import express from 'express'
import { auth } from 'express-oauth2-jwt-bearer'
import { beginUrl, listening, projected, settings } from './settings.js'

const upstream = axios.create({ httpAgent: new Agent({ keepAlive: true }) })
const app = express()
app.use(express.json())
app.post(
  '/v1/uploads',
  auth({
    issuer: settings.issuer,
    audience: settings.audience,
    jwksUri: settings.jwksUrl,
    tokenSigningAlg: 'ES256',
  }),
  async (incoming, response) => {
    const { sub } = incoming.auth.payload
    const { data } = await upstream.post(beginUrl(sub, incoming.body))
    response.status(201).json(projected(data))
  },
)

const server = app.listen(0, '127.0.0.1', () => {
  listening(`http://127.0.0.1:${server.address().port}`)
})
