/** The part of Tencent's SDK for browsers that is used here. Its own types are installed with this folder only. */
declare module 'cos-js-sdk-v5' {
  export default class COS {
    constructor(options: object)
    multipartUpload(parameters: object): Promise<unknown>
  }
}
