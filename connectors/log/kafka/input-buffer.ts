import type { LogRecord } from '../event-log.ts'
import type { FetchedPage } from './fetch-pages.ts'
import type { Bounds, Source } from './partition-reader.ts'

/** What has come of one input of a task and was not given to a turn yet; bounded, and filled from the broker. */
export interface InputBuffer {
  readonly source: Source
  /** Everything below is here or was given away. */
  end(): number
  /** Retention removed everything below. */
  floor(): number
  /** Gives records below `until` away. */
  take(until: number, most: number): readonly LogRecord[]
}

export interface InputBufferOptions {
  /** The topic as the log's callers name it, and its full name. */
  readonly name: string
  readonly topic: string
  readonly partition: number
  readonly from: number
  readonly low: number
  readonly mostRecords: number
  /** What has come may wait a moment for more. */
  readonly isUnhurried: boolean
  readonly onChange: () => void
  /** The broker's log ends before the position: it is another one than before. */
  readonly onBeyond: (beyond: { topic: string; position: number; end: number }) => void
}

const mostBytes = 4 * 1024 * 1024
const noValue = new Uint8Array(0)

export const openInputBuffer = (options: InputBufferOptions): InputBuffer => {
  const { name, topic, partition, from, low, mostRecords, isUnhurried, onChange, onBeyond } = options
  let records: LogRecord[] = []
  let bytes = 0
  let floor = low
  let end = Math.max(from, low)
  /** What was trimmed is said when everything before it was given away. */
  let isTrimmed = false

  const fill = (page: FetchedPage): void => {
    for (const { offset, timestamp, key, value } of page.records) {
      const record = { topic: name, partition, offset, timestamp, key: key?.toString() ?? '', value: value ?? noValue }
      records.push(record)
      bytes += bytesOf(record)
    }
    end = page.next
    onChange()
  }

  const outOfRange = (bounds: Bounds): void => {
    if (end > bounds.high) return onBeyond({ topic: name, position: end, end: bounds.high })
    if (records.length > 0) {
      isTrimmed = true
      return
    }
    floor = bounds.low
    end = bounds.low
    onChange()
  }

  return {
    source: {
      topic,
      partition,
      isUnhurried,
      wants: () => (isTrimmed || records.length >= mostRecords || bytes >= mostBytes ? undefined : end),
      take: fill,
      outOfRange,
    },
    end: () => end,
    floor: () => floor,
    take: (until, most) => {
      let count = 0
      while (count < most && (records[count]?.offset ?? Infinity) < until) count++
      const taken = records.slice(0, count)
      records = records.slice(count)
      for (const record of taken) bytes -= bytesOf(record)
      if (records.length === 0) isTrimmed = false
      return taken
    },
  }
}

const bytesOf = ({ key, value }: LogRecord): number => Buffer.byteLength(key) + value.length
