import { stringify } from 'csv-stringify/sync'
import type { Dictionary } from '../../connectors/velociraptor/lookups.ts'
import type { AttachmentFormat } from '../../schemas/generated.ts'
import { exactJson } from '../../connectors/velociraptor/exact-json.ts'

/** Gathers rows as the bytes of an attachment; beyond its bound it only counts. */
export interface AttachmentWriter {
  write(row: Dictionary): void
  /** `content` is null when it does not fit; `encodedBytes` is its size within a message. */
  end(): { readonly content: Uint8Array | null; readonly encodedBytes: number }
}

/** Bytes in base64 with a line end each 76 columns. */
const encodedSize = (bytes: number): number => {
  const columns = Math.ceil(bytes / 3) * 4
  return columns + Math.ceil(columns / 76) * 2
}

const cellText = (value: unknown): string => {
  if (value === null || value === undefined) return ''
  return typeof value === 'string' ? value : exactJson(value)
}

export const attachmentWriter = (format: AttachmentFormat, mostEncodedBytes: number): AttachmentWriter => {
  const parts: Buffer[] = []
  let columns: readonly string[] | null = null
  let bytes = 0
  const add = (text: string): void => {
    const part = Buffer.from(text, 'utf8')
    bytes += part.length
    if (encodedSize(bytes) > mostEncodedBytes) parts.length = 0
    else parts.push(part)
  }
  // A cell that begins like a formula would be run by a spreadsheet.
  const csv = (cells: readonly string[]): string => stringify([[...cells]], { escape_formulas: true, record_delimiter: 'windows' })
  return {
    write(row) {
      if (format === 'jsonl') return add(`${exactJson(row)}\n`)
      if (columns === null) {
        columns = Object.keys(row)
        add(csv(columns))
      }
      add(csv(columns.map((column) => cellText(row[column]))))
    },
    end() {
      const encodedBytes = encodedSize(bytes)
      return { content: encodedBytes > mostEncodedBytes ? null : Buffer.concat(parts), encodedBytes }
    },
  }
}
