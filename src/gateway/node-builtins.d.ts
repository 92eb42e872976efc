/*
 * What the core uses of Node's modules. Workers have these two by `nodejs_compat`. The core is compiled without
 * Node's own types, so that nothing else of Node compiles in it.
 */

declare module 'node:crypto' {
  export interface KeyObject {
    readonly type: string
  }
  interface Digest {
    update(data: string | Uint8Array): Digest
    digest(): import('node:buffer').Buffer
    digest(encoding: 'base64url' | 'hex'): string
  }
  export function createHash(algorithm: 'sha256'): Digest
  export function createHmac(algorithm: 'sha256', key: KeyObject): Digest
  export function createSecretKey(key: Uint8Array): KeyObject
  export function createSecretKey(key: string, encoding: 'utf8'): KeyObject
  export function hkdfSync(
    digest: 'sha256',
    key: string,
    salt: string,
    info: string,
    length: number,
  ): ArrayBuffer
  export function timingSafeEqual(a: Uint8Array, b: Uint8Array): boolean
}

declare module 'node:buffer' {
  export class Buffer extends Uint8Array<ArrayBuffer> {
    static from(text: string, encoding?: 'base64url' | 'utf8'): Buffer
    static from(bytes: ArrayBuffer): Buffer
    toString(encoding?: 'base64url' | 'utf8'): string
  }
}
