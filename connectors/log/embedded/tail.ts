import type { LogRecord } from '../event-log.ts'

/** The records that this process appended last: whoever reads along takes them from memory. */
export interface Tail {
  /** A record that now stands in the log. */
  add(record: LogRecord): void
  /** Records from an offset on, below `to`; undefined: that one is not remembered. */
  page(from: number, to: number, most: number): readonly LogRecord[] | undefined
}

/** Bytes of values remembered, about; twice as many for a moment. */
const rememberedBytes = 512 * 1024

export const openTail = (): Tail => {
  let records: LogRecord[] = []
  let bytes = 0
  /** The older half goes at once, so that shifting costs little. */
  const shorten = (): void => {
    let kept = records.length
    for (let size = 0; kept > 0; kept--) {
      size += (records[kept - 1] as LogRecord).value.length
      if (size > rememberedBytes) break
    }
    records = records.slice(kept)
    bytes = records.reduce((sum, { value }) => sum + value.length, 0)
  }
  return {
    add(record) {
      const last = records.at(-1)
      // Another process wrote in between: what is remembered has no gaps.
      if (last !== undefined && record.offset !== last.offset + 1) {
        records = []
        bytes = 0
      }
      records.push(record)
      bytes += record.value.length
      if (bytes > 2 * rememberedBytes) shorten()
    },
    page(from, to, most) {
      const first = records[0]?.offset
      if (first === undefined || from < first || from >= first + records.length) return undefined
      return records.slice(from - first, Math.min(to - first, from - first + most))
    },
  }
}
