import { stringify } from 'csv-stringify/sync'
import type { Dictionary } from '../../connectors/velociraptor/lookups.ts'
import { exactJson } from '../../connectors/velociraptor/exact-json.ts'
import type { ResultRow } from '../../connectors/velociraptor/results.ts'
import type { AttachmentFormat } from '../../schemas/generated.ts'

/** Gathers rows as the bytes of an attachment; beyond its bound it holds nothing and only counts. */
export interface AttachmentWriter {
  write(row: ResultRow): void
  /** `content` is null when it does not fit; `encodedBytes` is its size within a message. */
  end(): AttachmentEnd
}

export interface AttachmentEnd {
  readonly content: Uint8Array | null
  readonly encodedBytes: number
  /** Columns that the first row has not got and that a file with one heading line therefore leaves out. */
  readonly lostColumns: readonly string[]
}

/** Which columns go into the file; null: all. */
export type ColumnChoice = ((name: string) => boolean) | null

/** Bytes in base64 with a line end each 76 columns. */
const encodedSize = (bytes: number): number => {
  const columns = Math.ceil(bytes / 3) * 4
  return columns + Math.ceil(columns / 76) * 2
}

const chunkCharacters = 65_536
const mostLostColumns = 20

interface Gathered {
  add(text: string): void
  end(): Pick<AttachmentEnd, 'content' | 'encodedBytes'>
}

/** Text as bytes, in few large pieces: millions of rows are no millions of buffers. */
const gatherText = (mostEncodedBytes: number): Gathered => {
  let chunks: Buffer[] = []
  let texts: string[] = []
  let characters = 0
  let bytes = 0
  let isFull = false
  const flush = (): void => {
    const chunk = Buffer.from(texts.join(''), 'utf8')
    texts = []
    characters = 0
    bytes += chunk.length
    isFull ||= encodedSize(bytes) > mostEncodedBytes
    if (isFull) chunks = []
    else chunks.push(chunk)
  }
  return {
    add(text) {
      texts.push(text)
      characters += text.length
      if (characters >= chunkCharacters) flush()
    },
    end() {
      flush()
      return { content: isFull ? null : Buffer.concat(chunks), encodedBytes: encodedSize(bytes) }
    },
  }
}

const chosen = (columns: Dictionary, isWanted: ColumnChoice): Dictionary =>
  isWanted === null ? columns : Object.fromEntries(Object.entries(columns).filter(([name]) => isWanted(name)))

const jsonLines = (gathered: Gathered, isWanted: ColumnChoice): AttachmentWriter => ({
  // The row's own text keeps what reading and writing would change: 1.0, the order of columns named by numbers.
  write: ({ columns, text }) =>
    gathered.add(`${isWanted === null && !text.includes('\n') ? text : exactJson(chosen(columns, isWanted))}\n`),
  end: () => ({ ...gathered.end(), lostColumns: [] }),
})

/** What a spreadsheet would run. */
const formula = /^[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]/

/** Else a cell with the other kind of line end would begin a line of its own. */
const lineBreak = /[\r\n]/

/** A text that begins like a formula gets an apostrophe before it; a number is none. */
const cellText = (value: unknown): string => {
  if (value === null || value === undefined) return ''
  if (typeof value !== 'string') return exactJson(value)
  return formula.test(value) ? `'${value}` : value
}

const separatedValues = (gathered: Gathered, isWanted: ColumnChoice): AttachmentWriter => {
  let headings: readonly string[] | null = null
  const lost = new Set<string>()
  const line = (cells: readonly unknown[]): void =>
    gathered.add(stringify([cells.map(cellText)], { record_delimiter: 'windows', quoted_match: lineBreak }))
  return {
    write({ columns }) {
      const names = Object.keys(columns).filter((name) => isWanted === null || isWanted(name))
      if (headings === null) {
        headings = names
        line(headings)
      }
      for (const name of names) if (lost.size < mostLostColumns && !headings.includes(name)) lost.add(name)
      line(headings.map((name) => (Object.hasOwn(columns, name) ? columns[name] : null)))
    },
    end: () => ({ ...gathered.end(), lostColumns: [...lost] }),
  }
}

/** Opens an attachment of at most so many bytes within a message. */
export const attachmentWriter = (
  format: AttachmentFormat,
  mostEncodedBytes: number,
  isWanted: ColumnChoice,
): AttachmentWriter => {
  const gathered = gatherText(mostEncodedBytes)
  return format === 'jsonl' ? jsonLines(gathered, isWanted) : separatedValues(gathered, isWanted)
}
