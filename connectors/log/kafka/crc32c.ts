const polynomial = 0x82f63b78
const width = 8

const afterByte = (byte: number): number => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ polynomial
  return crc
}
const t0 = Int32Array.from({ length: 256 }, (_, byte) => afterByte(byte))
/** What each byte comes to when one more byte follows it. */
const further = (table: Int32Array): Int32Array => table.map((crc) => (t0[crc & 0xff] as number) ^ (crc >>> 8))
const t1 = further(t0)
const t2 = further(t1)
const t3 = further(t2)
const t4 = further(t3)
const t5 = further(t4)
const t6 = further(t5)
const t7 = further(t6)

/** The checksum of Castagnoli of the bytes from one place to another, as an unsigned number: Kafka guards batches with it. */
export const crc32c = (bytes: Uint8Array, from: number, to: number): number => {
  const byteAt = (index: number): number => bytes[index] as number
  let crc = -1
  let at = from
  for (; at + width <= to; at += width) {
    const low = crc ^ (byteAt(at) | (byteAt(at + 1) << 8) | (byteAt(at + 2) << 16) | (byteAt(at + 3) << 24))
    crc =
      (t7[low & 0xff] as number) ^
      (t6[(low >>> 8) & 0xff] as number) ^
      (t5[(low >>> 16) & 0xff] as number) ^
      (t4[low >>> 24] as number) ^
      (t3[byteAt(at + 4)] as number) ^
      (t2[byteAt(at + 5)] as number) ^
      (t1[byteAt(at + 6)] as number) ^
      (t0[byteAt(at + 7)] as number)
  }
  for (; at < to; at++) crc = (t0[(crc ^ byteAt(at)) & 0xff] as number) ^ (crc >>> 8)
  return ~crc >>> 0
}
