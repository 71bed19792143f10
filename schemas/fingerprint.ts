const empty = 0xc15d213aa4d7a795n

const table = Array.from({ length: 256 }, (_, byte) => {
  let fp = BigInt(byte)
  for (let bit = 0; bit < 8; bit++) fp = (fp >> 1n) ^ (empty & -(fp & 1n))
  return BigInt.asUintN(64, fp)
})

/** CRC-64-AVRO of a schema's Parsing Canonical Form (Avro specification, "Schema Fingerprints"). */
export const fingerprint = (canonicalForm: string): bigint => {
  let fp = empty
  for (const byte of Buffer.from(canonicalForm, 'utf8'))
    fp = (fp >> 8n) ^ (table[Number((fp ^ BigInt(byte)) & 0xffn)] as bigint)
  return fp
}
