import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { isIP } from 'node:net'
import forge from 'node-forge'

/** A TLS server's key and certificate, PEM. */
export interface KeyAndCertificate {
  readonly key: string
  readonly cert: string
}

const DAY_MS = 86_400_000
const DNS_NAME = 2
const IP_ADDRESS = 7

/** A fresh key and a certificate that signs itself, for these host names and addresses; valid for `days` from yesterday on. */
export const selfSigned = (names: readonly [string, ...string[]], days = 30): KeyAndCertificate => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const signingKey = forge.pki.privateKeyFromPem(privateKey.export({ type: 'pkcs1', format: 'pem' }).toString())
  const certificate = forge.pki.createCertificate()
  const subject = [{ name: 'commonName', value: names[0] }]
  certificate.publicKey = forge.pki.rsa.setPublicKey(signingKey.n, signingKey.e)
  certificate.serialNumber = `01${randomBytes(15).toString('hex')}`
  certificate.validity.notBefore = new Date(Date.now() - DAY_MS)
  certificate.validity.notAfter = new Date(Date.now() + days * DAY_MS)
  certificate.setSubject(subject)
  certificate.setIssuer(subject)
  certificate.setExtensions([
    { name: 'basicConstraints', cA: true },
    {
      name: 'subjectAltName',
      altNames: names.map((name) =>
        isIP(name) === 0 ? { type: DNS_NAME, value: name } : { type: IP_ADDRESS, ip: name },
      ),
    },
  ])
  certificate.sign(signingKey, forge.md.sha256.create())
  return { key, cert: forge.pki.certificateToPem(certificate) }
}
