import type avro from 'avsc'

type Writing = (tap: object, value: unknown) => void

/** avsc's cursor over bytes, as far as whole records are copied by it. */
interface Cursor {
  writeFixed(bytes: Uint8Array, length: number): void
}

const body = Symbol('body')

/** Stands for a value of which only the bytes are at hand, its schema's marker left out. */
export const writtenValue = (bytes: Uint8Array): object => ({ [body]: bytes })

/** The same type, which also takes what is written already and copies it as it stands. */
export const copyingType = (type: avro.Type): avro.Type => {
  const writing = (type as unknown as { readonly _write: Writing })._write
  const write: Writing = (tap, value) => {
    const bytes = (value as { readonly [body]?: Uint8Array })[body]
    if (bytes === undefined) writing.call(type, tap, value)
    else (tap as Cursor).writeFixed(bytes, bytes.length)
  }
  // The library freezes its types.
  return Object.create(type, { _write: { value: write } }) as avro.Type
}
