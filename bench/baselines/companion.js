// Uppy Companion with its S3 multipart begin alone, which returns a key and an upload ID and checks no
// user. It signs its own calls; later requests sign the URLs of parts.
import { app as companion } from '@uppy/companion'
import express from 'express'
import { listening, settings } from './settings.js'

const uploads = companion({
  s3: {
    endpoint: settings.upstream,
    forcePathStyle: true,
    bucket: 'bench',
    region: 'ap-guangzhou',
    key: 'bench-key',
    secret: 'bench-secret',
    getKey: ({ filename }) => `users/${filename}`,
  },
  server: { host: '127.0.0.1', protocol: 'http' },
  filePath: '/tmp',
  secret: 'the secret of a bench',
  corsOrigins: false,
  allowLocalUrls: true,
  // Companion needs at least one to start; begins do not use it.
  uploadUrls: ['https://uploads.invalid'],
})

const app = express()
app.use(express.json())
// Same request and response as the other servers.
app.post('/v1/uploads', (incoming, response, next) => {
  incoming.url = '/s3/multipart'
  incoming.body = { filename: incoming.body.path, type: 'application/octet-stream' }
  // Companion would read the body again.
  delete incoming.headers['content-length']
  response.status(201)
  next()
})
app.use(uploads.app)

const server = app.listen(0, '127.0.0.1', () => {
  listening(`http://127.0.0.1:${server.address().port}`)
})
