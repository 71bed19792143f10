import { generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto'
import forge from 'node-forge'
import type { EpochMs } from '../../../schemas/time.ts'

/** A certificate and its key, as PEM. */
export interface Identity {
  readonly certificate: string
  /** PKCS#1, as Velociraptor writes it. */
  readonly privateKey: string
}

export interface CertificateTerms {
  /** Common name: the user of a client certificate. */
  readonly name: string
  readonly from: EpochMs
  readonly to: EpochMs
}

export interface Authority extends Identity {
  /** A client's certificate. */
  forUser(terms: CertificateTerms): Identity
  /** A server's certificate whose only other name is `name`. */
  forServer(terms: CertificateTerms): Identity
}

/** A new authority with certificates of RSA 2048. */
export const makeAuthority = (terms: CertificateTerms): Authority => {
  const own = newKey()
  const certificate = signed(terms, terms.name, own, own.privateKey, [
    { name: 'basicConstraints', cA: true, critical: true },
    { name: 'keyUsage', keyCertSign: true, digitalSignature: true, critical: true },
  ])
  const issue = (of: CertificateTerms, extensions: readonly object[]): Identity => {
    const key = newKey()
    return { certificate: signed(of, terms.name, key, own.privateKey, extensions), privateKey: pkcs1(key.privateKey) }
  }
  return {
    certificate,
    privateKey: pkcs1(own.privateKey),
    forUser: (of) => issue(of, [{ name: 'extKeyUsage', clientAuth: true, serverAuth: true }]),
    forServer: (of) =>
      issue(of, [
        { name: 'extKeyUsage', clientAuth: true, serverAuth: true },
        { name: 'subjectAltName', altNames: [{ type: 2, value: of.name }] },
      ]),
  }
}

interface Pair {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

// The platform makes keys in 100 ms; in JavaScript it would take seconds.
const newKey = (): Pair => generateKeyPairSync('rsa', { modulusLength: 2048 })

const pkcs1 = (key: KeyObject): string => key.export({ type: 'pkcs1', format: 'pem' }).toString()

const signed = (
  terms: CertificateTerms,
  issuer: string,
  of: Pair,
  by: KeyObject,
  extensions: readonly object[],
): string => {
  const certificate = forge.pki.createCertificate()
  certificate.publicKey = forge.pki.publicKeyFromPem(of.publicKey.export({ type: 'spki', format: 'pem' }).toString())
  // Positive, and without a needless leading zero, which OpenSSL refuses.
  certificate.serialNumber = `01${randomBytes(15).toString('hex')}`
  certificate.validity.notBefore = new Date(terms.from)
  certificate.validity.notAfter = new Date(terms.to)
  certificate.setSubject([{ name: 'commonName', value: terms.name }])
  certificate.setIssuer([{ name: 'commonName', value: issuer }])
  certificate.setExtensions([...extensions])
  certificate.sign(forge.pki.privateKeyFromPem(pkcs1(by)), forge.md.sha256.create())
  return forge.pki.certificateToPem(certificate)
}
