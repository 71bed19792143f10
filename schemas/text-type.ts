import avro from 'avsc'

/** avsc's cursor over bytes, as far as texts are written by it. */
interface Cursor {
  readonly buf: Buffer
  pos: number
}

type Writing = (tap: Cursor, value: unknown) => void

/** Units up to which a loop is faster than a call into the engine. */
const longestLooped = 32
const mostUtf8Bytes = 3

const lengthBytesOf = (length: number): number => {
  let bytes = 1
  for (let rest = length * 2; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++
  return bytes
}

const writeLength = (buf: Buffer, at: number, length: number): void => {
  let rest = length * 2
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) buf[at++] = (rest % 0x80) | 0x80
  buf[at] = rest
}

/** Whether the text was short and plain, and is written. */
const writeLooped = (tap: Cursor, text: string): boolean => {
  const { buf, pos } = tap
  const length = text.length
  for (let index = 0; index < length; index++) {
    const code = text.charCodeAt(index)
    if (code >= 0x80) return false
    buf[pos + 1 + index] = code
  }
  buf[pos] = length * 2
  tap.pos = pos + 1 + length
  return true
}

const writeText = (tap: Cursor, text: string): void => {
  if (text.length <= longestLooped && writeLooped(tap, text)) return
  const { buf, pos } = tap
  // Nearly always as many bytes as units.
  const guessed = lengthBytesOf(text.length)
  const bytes = buf.write(text, pos + guessed)
  const needed = lengthBytesOf(bytes)
  if (needed !== guessed) buf.write(text, pos + needed)
  writeLength(buf, pos, bytes)
  tap.pos = pos + needed + bytes
}

const mostLengthBytes = 5

/** The type of texts: as avsc's own, but written in one pass, and ill-formed ones always with U+FFFD in the place of what has no UTF-8. */
export const textType = (): avro.Type => {
  const type = new avro.types.StringType()
  const writing = (type as unknown as { readonly _write: Writing })._write
  const write: Writing = (tap, value) => {
    const hasRoom =
      typeof value === 'string' && tap.pos + mostLengthBytes + mostUtf8Bytes * value.length <= tap.buf.length
    if (hasRoom) writeText(tap, value)
    else writing.call(type, tap, typeof value === 'string' ? value.toWellFormed() : value)
  }
  // The library freezes its types.
  return Object.create(type, { _write: { value: write } }) as avro.Type
}
