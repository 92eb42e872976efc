import { KeyObject } from 'node:crypto'
import { isIP } from 'node:net'

/** What an HTTPS server needs, and what its clients need to trust it; all in PEM. */
export interface Certificate {
  /** The server's private key. */
  key: string
  /** The server's certificate, then the authority's. */
  chain: string
  /** The authority's certificate, which clients trust. */
  authority: string
}

/** Apple's systems trust no server certificate that lives longer than 825 days. */
const DAYS = 365

const DAY_MS = 86_400_000

/**
 * A certificate for these host names and addresses, by an authority made for it alone. Two
 * certificates, because some TLS libraries take no authority for a server. The authority's key is
 * not kept: trusting it trusts nothing else.
 */
export async function createCertificate(hosts: readonly string[]): Promise<Certificate> {
  await import('reflect-metadata') // The library below demands it.
  const x509 = await import('@peculiar/x509')
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const newKeys = () => crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const [authorityKeys, keys] = await Promise.all([newKeys(), newKeys()])
  const validity = {
    // A client whose clock is a little late takes it as well.
    notBefore: new Date(Date.now() - DAY_MS),
    notAfter: new Date(Date.now() + DAYS * DAY_MS),
    signingAlgorithm: algorithm,
  }
  const authority = await x509.X509CertificateGenerator.createSelfSigned({
    ...validity,
    name: 'CN=SMH emulator authority',
    keys: authorityKeys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      await x509.SubjectKeyIdentifierExtension.create(authorityKeys.publicKey),
    ],
  })
  const server = await x509.X509CertificateGenerator.create({
    ...validity,
    subject: 'CN=SMH emulator',
    issuer: authority.subject,
    publicKey: keys.publicKey,
    signingKey: authorityKeys.privateKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        [...new Set(hosts)].map((value) => ({
          type: isIP(value) ? ('ip' as const) : ('dns' as const),
          value,
        })),
      ),
      await x509.AuthorityKeyIdentifierExtension.create(authority),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  const pem = (certificate: { toString(format: 'pem'): string }) =>
    `${certificate.toString('pem').trim()}\n`
  return {
    key: String(KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' })),
    chain: pem(server) + pem(authority),
    authority: pem(authority),
  }
}
