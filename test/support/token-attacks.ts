import { createHmac, createSecretKey } from 'node:crypto'
import { CompactEncrypt } from 'jose'
import { encoded, type Forge } from './forge.ts'

type Make = (forge: Forge, trap: string) => string | Promise<string>

/** Signed with HMAC and, as the secret, something of the public key that everybody knows. */
const hmac =
  (hash: string, secretOf: (forge: Forge) => string): Make =>
  (forge) => {
    const input = `${encoded(forge.header({ alg: `HS${hash}` }))}.${encoded(forge.claims())}`
    const key = createSecretKey(Buffer.from(secretOf(forge)))
    return `${input}.${createHmac(`sha${hash}`, key).update(input).digest('base64url')}`
  }

const headed =
  (more: object): Make =>
  (forge) =>
    forge.token({ header: forge.header(more) })
const claiming =
  (more: object): Make =>
  (forge) =>
    forge.token({ payload: forge.claims(more) })
const paid =
  (payload: string | Uint8Array | object): Make =>
  (forge) =>
    forge.token({ payload })

/** Signed with a key that the token itself carries, in each way that JOSE allows. */
const bringing =
  (members: (trap: string, jwk: object) => object): Make =>
  async (forge, trap) => {
    const { privateKey, publicKey } = await crypto.subtle.generateKey(
      { name: 'ECDSA', namedCurve: 'P-256' },
      true,
      ['sign', 'verify'],
    )
    const jwk = await crypto.subtle.exportKey('jwk', publicKey)
    const header = encoded(forge.header(members(trap, jwk)))
    const input = `${header}.${encoded(forge.claims())}`
    const signature = await crypto.subtle.sign(
      { name: 'ECDSA', hash: 'SHA-256' },
      privateKey,
      Buffer.from(input),
    )
    return `${input}.${Buffer.from(signature).toString('base64url')}`
  }

/** A good token with `change` done to one of its three parts. */
const altered =
  (index: 0 | 1 | 2, change: (part: string) => string): Make =>
  async (forge) => {
    const parts = (await forge.token()).split('.')
    return parts.with(index, change(parts[index] as string)).join('.')
  }

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** The same bytes in another spelling: one of the bits to spare is set. */
function respelled(part: string): string {
  const last = alphabet.indexOf(part.at(-1) as string)
  return part.slice(0, -1) + alphabet[last + 1]
}

/** JSON of this length modulo 3, so that its last character has bits to spare. */
const padded = (value: object, rest: 1 | 2) => {
  const text = JSON.stringify(value)
  return text + ' '.repeat((3 + rest - (text.length % 3)) % 3)
}

/** Tokens that are valid except for one flaw each (RFC 8725 and others), by subject. */
export const attacks: Record<string, Record<string, Make>> = {
  'the algorithm': {
    ...Object.fromEntries(
      [
        'none',
        'None',
        'NONE',
        'nOnE',
        'none ',
        '',
        'es256',
        'ES256 ',
        'ES256K',
        'dir',
        'constructor',
      ].map((alg) => [alg, headed({ alg })]),
    ),
    'none, unsigned': (forge) => `${encoded({ alg: 'none' })}.${encoded(forge.claims())}.`,
    'none, with a kid, unsigned': (forge) =>
      `${encoded(forge.header({ alg: 'none' }))}.${encoded(forge.claims())}.`,
    'no algorithm': headed({ alg: undefined }),
    'an algorithm that is null': headed({ alg: null }),
    'an algorithm that is a list': headed({ alg: ['ES256'] }),
    'of another key type': (forge) =>
      forge.token({ header: forge.header({ alg: 'RS256' }), by: 'ES256' }),
    'of the key that another signed with': (forge) =>
      forge.token({ header: forge.header({}, 'ES256'), by: 'RS256' }),
    'of another padding than the key is for': (forge) =>
      forge.token({ header: forge.header({ alg: 'PS256' }, 'RS256'), by: 'RS256' }),
    'of another curve': headed({ alg: 'ES384' }),
    'of another curve of Edwards': (forge) =>
      forge.token({ header: forge.header({ alg: 'Ed448' }, 'EdDSA'), by: 'EdDSA' }),
    'HS256 with the public key as PEM': hmac('256', ({ pairs }) => pairs.RS256.pem),
    'HS256 with the public key as JWK': hmac('256', ({ pairs }) => JSON.stringify(pairs.ES256.jwk)),
    'HS256 with a coordinate': hmac('256', ({ pairs }) => String(pairs.ES256.jwk.x)),
    'HS384 with the modulus': hmac('384', ({ pairs }) => String(pairs.RS256.jwk.n)),
    'HS512 with nothing': hmac('512', () => ''),
  },
  'keys that it brings along': {
    'by nothing': bringing(() => ({})),
    'as jwk': bringing((_, jwk) => ({ jwk })),
    'as jwk, without a kid': bringing((_, jwk) => ({ jwk, kid: undefined })),
    'as jwk with the kid of ours': bringing((_, jwk) => ({ jwk: { ...jwk, kid: 'forge-ES256' } })),
    'at jku': bringing((trap) => ({ jku: trap })),
    'at jku, with a kid of its own': bringing((trap) => ({ jku: trap, kid: 'mine' })),
    'at x5u': bringing((trap) => ({ x5u: trap, x5t: 'AAAA' })),
    'as x5c': bringing(() => ({ x5c: ['MIIB'], 'x5t#S256': 'AAAA' })),
    'at the kid': bringing((trap) => ({ kid: trap })),
    'at the issuer': async (forge, trap) => {
      const token = await bringing(() => ({ kid: 'mine' }))(forge, trap)
      const payload = encoded(forge.claims({ iss: new URL(trap).origin }))
      return token.split('.').with(1, payload).join('.')
    },
  },
  'the kid': Object.fromEntries(
    [
      ...['', '../../../../dev/null', '/etc/passwd', "x' UNION SELECT 'key", '"; DROP TABLE keys'],
      ...['|whoami', '$(id)', '__proto__', 'constructor', 'forge-ES256\u0000', 'FORGE-ES256'],
      ...['ﬀ', 'k'.repeat(8_000), null, 7, true, ['forge-ES256'], { kid: 'forge-ES256' }],
    ].map((kid) => [JSON.stringify(kid).slice(0, 40), headed({ kid })]),
  ),
  'other members of the header': {
    ...Object.fromEntries(
      [
        'logout+jwt',
        'dpop+jwt',
        'secevent+jwt',
        'JWS',
        'JOSE',
        'at+jwt ',
        'application/jose',
        '',
      ].map((typ) => [`typ ${JSON.stringify(typ)}`, headed({ typ })]),
    ),
    'typ null': headed({ typ: null }),
    'typ 7': headed({ typ: 7 }),
    'typ in a list': headed({ typ: ['JWT'] }),
    'crit of something': headed({ crit: ['x'], x: 1 }),
    'crit of exp': headed({ crit: ['exp'], exp: 4e9 }),
    'crit of nothing': headed({ crit: [] }),
    'crit of what is not there': headed({ crit: ['b64'] }),
    'crit that is text': headed({ crit: 'exp' }),
    'crit of a number': headed({ crit: [7] }),
    'a payload that is not encoded': async (forge) => {
      const header = encoded(forge.header({ b64: false, crit: ['b64'] }))
      const payload = JSON.stringify(forge.claims())
      return `${header}.${encoded(payload)}.${await forge.sign(`${header}.${payload}`)}`
    },
    'alg twice, none first': (forge) => {
      const text = JSON.stringify(forge.header())
      return forge.token({ header: text.replace('{', '{"alg":"none",') })
    },
    'kid twice, in two spellings': (forge) => {
      const text = JSON.stringify(forge.header())
      return forge.token({ header: text.replace('{', '{"\\u006bid":"x",') })
    },
  },
  claims: {
    ...Object.fromEntries(
      [
        { exp: undefined },
        { exp: null },
        { exp: '4000000000' },
        { exp: [4e9] },
        { exp: true },
        { exp: 0 },
        { exp: -4e9 },
        { exp: 1 },
        { exp: 4e12 },
        { exp: 8.64e15 },
        { exp: 1e300 },
        { nbf: 4e9 },
        { nbf: 1e300 },
        { nbf: '0' },
        { nbf: null },
        { nbf: [0] },
        { iat: 'now' },
        { iat: null },
        { iat: {} },
        { iss: undefined },
        { iss: null },
        { iss: '' },
        { iss: 'https://login.example.com' },
        { iss: {} },
        { iss: true },
        { aud: undefined },
        { aud: null },
        { aud: '' },
        { aud: [] },
        { aud: 'demo-upload' },
        { aud: 'DEMO-UPLOADS' },
        { aud: 'demo-uploads ' },
        { aud: 'x,demo-uploads' },
        { aud: [['demo-uploads']] },
        { aud: { 0: 'demo-uploads', length: 1 } },
        { aud: 7 },
        { sub: undefined },
        { sub: null },
        { sub: '' },
        { sub: 7 },
        { sub: ['ann'] },
        { sub: {} },
        { sub: true },
        { sub: 'a\ud800' },
        { sub: 'a'.repeat(257) },
      ].map((claims) => [
        JSON.stringify(claims, (_, value) => (value === undefined ? 'left out' : value)).slice(
          0,
          50,
        ),
        claiming(claims),
      ]),
    ),
    'an end without end': (forge) =>
      forge.token({
        payload: JSON.stringify(forge.claims({ exp: 0 })).replace('"exp":0', '"exp":1e400'),
      }),
    'an issuer with a slash behind it': (forge) =>
      claiming({ iss: `${forge.claims().iss}/` })(forge, ''),
    'an issuer in a list': (forge) => claiming({ iss: [forge.claims().iss] })(forge, ''),
    'an issuer in capitals': (forge) =>
      claiming({ iss: forge.claims().iss.toUpperCase() })(forge, ''),
    ...Object.fromEntries(
      [
        '"sub":"bob"',
        '"iss":"https://login.example.com"',
        '"exp":1',
        '"aud":"x"',
        '"\\u0073ub":"bob"',
        '"x":{"sub":1},"x":2',
        '"__proto__":{"sub":"bob"},"__proto__":0',
      ].map((twin) => [
        `twice: ${twin}`,
        (forge: Forge) =>
          forge.token({ payload: JSON.stringify(forge.claims()).replace('{', `{${twin},`) }),
      ]),
    ),
  },
  'a payload that is no claims object': {
    ...Object.fromEntries(
      ['', ' ', 'null', 'true', '7', '"ann"', '[]', '[{}]', '{', '{}x', '{"sub":"ann"', 'ann'].map(
        (payload) => [JSON.stringify(payload), paid(payload)],
      ),
    ),
    'bytes that are no UTF-8': (forge) => {
      const text = JSON.stringify(forge.claims({ sub: 'aXn' }))
      return forge.token({ payload: Buffer.from(text.replace('aXn', 'a\xffn'), 'latin1') })
    },
    'claims behind a byte order mark': (forge) =>
      forge.token({ payload: `\ufeff${JSON.stringify(forge.claims())}` }),
    'claims and more': (forge) => forge.token({ payload: `${JSON.stringify(forge.claims())}{}` }),
    'a token in a token': async (forge) =>
      forge.token({ header: forge.header({ cty: 'JWT' }), payload: await forge.token() }),
    'a token in quotes': async (forge) =>
      forge.token({ payload: JSON.stringify(await forge.token()) }),
    'a payload that is left out': async (forge) => {
      const [header, , signature] = (await forge.token()).split('.')
      return `${header}..${signature}`
    },
    'a payload that is left out, and signed so': async (forge) => {
      const input = `${encoded(forge.header())}.`
      return `${input}.${await forge.sign(input)}`
    },
  },
  'the form': {
    'a header that is a list': (forge) => forge.token({ header: [forge.header()] }),
    'a header that is text': (forge) => forge.token({ header: '"ES256"' }),
    'a header and more': (forge) => forge.token({ header: `${JSON.stringify(forge.header())}x` }),
    'an encrypted one': async ({ pairs, claims }) =>
      new CompactEncrypt(Buffer.from(JSON.stringify(claims())))
        .setProtectedHeader({ alg: 'RSA-OAEP-256', enc: 'A256GCM', kid: 'forge-RS256' })
        .encrypt(
          await crypto.subtle.importKey(
            'jwk',
            { ...pairs.RS256.jwk, alg: 'RSA-OAEP-256', use: 'enc' },
            { name: 'RSA-OAEP', hash: 'SHA-256' },
            true,
            ['encrypt'],
          ),
        ),
    'one that looks encrypted': (forge) =>
      [encoded(forge.header({ alg: 'dir', enc: 'A128GCM' })), '', 'AAAA', 'AAAA', 'AAAA'].join('.'),
    'a part more': async (forge) => `${await forge.token()}.AAAA`,
    'a dot more': async (forge) => `${await forge.token()}.`,
    'a part less': async (forge) => (await forge.token()).split('.').slice(0, 2).join('.'),
    'a byte more': async (forge) => `${await forge.token()}A`,
    'four characters more': async (forge) => `${await forge.token()}AAAA`,
    padding: async (forge) => `${await forge.token()}==`,
    'padding inside': altered(1, (part) => `${part}=`),
    'something behind it': async (forge) => `${await forge.token()} x`,
    'a comma': async (forge) => `${await forge.token()},`,
    'a second token': async (forge) => `${await forge.token()}, Bearer ${await forge.token()}`,
    quotes: async (forge) => `"${await forge.token()}"`,
    'percent signs': async (forge) => (await forge.token()).replaceAll('.', '%2E'),
    'the JSON form': async (forge) => {
      const [header, payload, signature] = (await forge.token()).split('.')
      return JSON.stringify({ protected: header, payload, signature })
    },
    'another spelling of the header': (forge) =>
      forge
        .token({ header: padded(forge.header(), 1) })
        .then((token) => token.replace(/^[^.]+/, respelled)),
    'another spelling of the payload, signed so': async (forge) => {
      const payload = respelled(encoded(padded(forge.claims(), 2)))
      const input = `${encoded(forge.header())}.${payload}`
      return `${input}.${await forge.sign(input)}`
    },
    'another spelling of the signature': altered(2, respelled),
    'the alphabet of base64': async (forge) => {
      for (let nonce = 0; ; nonce += 1) {
        const token = await forge.token({ payload: forge.claims({ nonce }) })
        const [header, payload, signature = ''] = token.split('.')
        const other = signature.replaceAll('-', '+').replaceAll('_', '/')
        if (other !== signature) return `${header}.${payload}.${other}`
      }
    },
  },
  'the signature': {
    'left out': altered(2, () => ''),
    'of zeros': altered(2, () => encoded(new Uint8Array(64))),
    'cut short': altered(2, (part) => part.slice(0, -4)),
    'longer by a byte': altered(2, (part) =>
      encoded(Buffer.concat([Buffer.from(part, 'base64url'), Buffer.of(0)])),
    ),
    'as DER': altered(2, (part) => {
      const raw = Buffer.from(part, 'base64url')
      const integer = (bytes: Buffer) => Buffer.from([2, 33, 0, ...bytes])
      const both = Buffer.concat([integer(raw.subarray(0, 32)), integer(raw.subarray(32))])
      return encoded(Buffer.concat([Buffer.from([48, both.length]), both]))
    }),
    'of another payload': async (forge) => {
      const [, , signature] = (await forge.token({ payload: forge.claims({ sub: 'bob' }) })).split(
        '.',
      )
      return altered(2, () => signature as string)(forge, '')
    },
    'of the payload alone': async (forge) => {
      const signature = await forge.sign(encoded(forge.claims()))
      return `${encoded(forge.header())}.${encoded(forge.claims())}.${signature}`
    },
  },
}
