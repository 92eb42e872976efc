import { Uppy } from '@uppy/core'
import Dashboard from '@uppy/dashboard'
import { SmhUpload } from '../../src/client/uppy/index.ts'

/** Fills a page with Uppy's Dashboard. The URL contains the gateway's address and a token. */
const { gateway = '', token = '' } = Object.fromEntries(new URLSearchParams(location.hash.slice(1)))

new Uppy().use(Dashboard, { inline: true, target: 'body' }).use(SmhUpload, {
  gateway,
  cosScheme: 'http',
  partSize: 1024 * 1024,
  getToken: () => token,
})
