// Uppy Companion with nothing but its S3 multipart begin, which answers with a key and an upload id; who
// the user is it does not ask. It signs its calls, and the parts' addresses are signed by later requests.
import { app as companion } from '@uppy/companion'
import express from 'express'
import { listening, settings } from './settings.js'

const uploads = companion({
  s3: {
    endpoint: settings.upstream,
    forcePathStyle: true,
    bucket: 'bench',
    region: 'ap-guangzhou',
    key: 'nobody',
    secret: 'the secret of nobody',
    getKey: ({ filename }) => `users/${filename}`,
  },
  server: { host: '127.0.0.1', protocol: 'http' },
  filePath: '/tmp',
  secret: 'the secret of a bench',
  corsOrigins: false,
  allowLocalUrls: true,
  // Without any it does not start; for these begins they do not count.
  uploadUrls: ['https://uploads.invalid'],
})

const app = express()
app.use(express.json())
// Asked and answered as the others are.
app.post('/v1/uploads', (incoming, response, next) => {
  incoming.url = '/s3/multipart'
  incoming.body = { filename: incoming.body.path, type: 'application/octet-stream' }
  // It reads bodies itself; this one is read.
  delete incoming.headers['content-length']
  response.status(201)
  next()
})
app.use(uploads.app)

const server = app.listen(0, '127.0.0.1', () => {
  listening(`http://127.0.0.1:${server.address().port}`)
})
