import { abortUpload } from './abort-upload.ts'
import { beginUpload } from './begin-upload.ts'
import { completeUpload } from './complete-upload.ts'
import type { Endpoint } from './endpoint.ts'
import { getUpload } from './get-upload.ts'
import { instantUpload } from './instant-upload.ts'
import { listUploads } from './list-uploads.ts'
import { renewUpload } from './renew-upload.ts'

/** Every operation under /v1. The app, the OpenAPI document and the shared tests read this list. */
export const endpoints = [
  beginUpload,
  instantUpload,
  listUploads,
  getUpload,
  renewUpload,
  completeUpload,
  abortUpload,
] as unknown as readonly Endpoint[]
