import { KeyObject } from 'node:crypto'
import { isIP } from 'node:net'

/** The keys and certificates of an HTTPS server and its clients, in PEM. */
export interface Certificate {
  /** The server's private key. */
  key: string
  /** The server's certificate, then the authority's. */
  chain: string
  /** The authority's certificate. Clients must trust it. */
  authority: string
}

/** Apple's systems reject server certificates with a lifetime of more than 825 days. */
const DAYS = 365

const DAY_MS = 86_400_000

/**
 * Creates a certificate for these host names and addresses, and an authority that signs it. Some TLS
 * libraries reject an authority's certificate as a server certificate, so both exist. The authority's
 * key is not kept: it cannot sign another certificate.
 */
export async function createCertificate(hosts: readonly string[]): Promise<Certificate> {
  await import('reflect-metadata') // The next import requires it.
  const x509 = await import('@peculiar/x509')
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const newKeys = () => crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const [authorityKeys, keys] = await Promise.all([newKeys(), newKeys()])
  const validity = {
    // Clients whose clock is slow accept the certificate as well.
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
