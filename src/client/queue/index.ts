export { chosenFiles, droppedFiles } from './folders.ts'
export { resumeOpenUploads } from './open-uploads.ts'
export { createUploadQueue } from './queue.ts'
export type * from './types.ts'
