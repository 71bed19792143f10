import type { Write } from '../local-store.ts'

/** Writes on their way to the thread that commits them: plain memory, that is handed over instead of copied. */
export interface Flight {
  /** Counts, lengths and numbers, in the order in which they are read. */
  readonly numbers: Float64Array<ArrayBuffer>
  /** Every key and value, one after the other. */
  readonly bytes: Uint8Array<ArrayBuffer>
}

/** Memory kept for the next flight at most, bytes. */
const mostKeptBytes = 8 * 1024 * 1024
const noTask = -1
const deleted = -1

const numbersIn = ({ records, put, task }: Write): number =>
  4 + 2 * (task?.positions.length ?? 0) + 2 * put.length + 3 * records.length

/** UTF-8 takes three bytes for each unit of a text at most. */
const mostBytesIn = ({ records, put }: Write): number => {
  let bytes = 0
  for (const { key, value } of records) bytes += 3 * key.length + value.length
  for (const [key, value] of put) bytes += 3 * key.length + (value?.length ?? 0)
  return bytes
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, each) => all + each, 0)

/** Packs writes into `used`, memory that came back from an earlier flight, where it is large enough. */
export const packed = (writes: readonly Write[], used: Flight | undefined): Flight => {
  const count = 1 + sum(writes.map(numbersIn))
  const size = sum(writes.map(mostBytesIn))
  const numbers = used !== undefined && used.numbers.length >= count ? used.numbers : new Float64Array(count)
  const bytes = used !== undefined && used.bytes.length >= size ? used.bytes : new Uint8Array(size)
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let next = 0
  let end = 0
  const number = (value: number): void => void (numbers[next++] = value)
  const entry = (key: string, value: Uint8Array | null): void => {
    const keyBytes = text.write(key, end)
    end += keyBytes
    number(keyBytes)
    number(value?.length ?? deleted)
    if (value === null) return
    bytes.set(value, end)
    end += value.length
  }
  number(writes.length)
  for (const { records, slots, put, task } of writes) {
    number(task?.id ?? noTask)
    const positions = task?.positions ?? []
    number(positions.length)
    for (const [topic, offset] of positions) {
      number(topic)
      number(offset)
    }
    number(put.length)
    for (const [key, value] of put) entry(key, value)
    number(records.length)
    for (let index = 0; index < records.length; index++) {
      const { key, value } = records[index] as Write['records'][number]
      number(slots[index] as number)
      entry(key, value)
    }
  }
  return { numbers, bytes }
}

/** A write as its thread sees it: a record's slot says where it belongs. */
export type UnpackedWrite = Pick<Write, 'put' | 'task' | 'slots'> & {
  readonly records: readonly Pick<Write['records'][number], 'key' | 'value'>[]
}

/** The writes of a flight; their values are views of its memory. */
export const unpacked = ({ numbers, bytes }: Flight): readonly UnpackedWrite[] => {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let next = 0
  let end = 0
  const number = (): number => numbers[next++] as number
  const entry = (): readonly [key: string, value: Uint8Array | null] => {
    const keyEnd = end + number()
    const length = number()
    const key = text.toString('utf8', end, keyEnd)
    end = keyEnd + Math.max(0, length)
    return [key, length === deleted ? null : text.subarray(keyEnd, end)]
  }
  const repeat = <T>(read: () => T): readonly T[] => {
    const count = number()
    const list: T[] = []
    for (let index = 0; index < count; index++) list.push(read())
    return list
  }
  return repeat(() => {
    const id = number()
    const positions = repeat(() => [number(), number()] as const)
    const put = repeat(entry)
    const slots: number[] = []
    const records = repeat(() => {
      slots.push(number())
      const [key, value] = entry()
      return { key, value: value as Uint8Array }
    })
    return { records, slots, put, task: id === noTask ? undefined : { id, positions } }
  })
}

/** Whether a flight's memory is worth keeping for the next one. */
export const isWorthKeeping = ({ bytes, numbers }: Flight): boolean =>
  bytes.byteLength + numbers.byteLength <= mostKeptBytes
