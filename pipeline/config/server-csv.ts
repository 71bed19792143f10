/** A row of a table, with the line of the text where it begins (from 1). */
export interface CsvRow {
  readonly line: number
  readonly cells: readonly string[]
}

/** `fault`: what cannot be read, and in which line; the rows are then those before it. */
export interface CsvTable {
  readonly rows: readonly CsvRow[]
  readonly fault: string | null
}

/**
 * Reads CSV as the server does: empty lines are skipped, blanks before a cell are dropped, cells may be quoted and then hold
 * commas, line ends and doubled quotes. Cells stay text: `404` is not a number. The header is the first row.
 */
export const parseServerCsv = (written: string): CsvTable => {
  const text = written.replace(/^\uFEFF/, '')
  const rows: CsvRow[] = []
  let line = 1
  let at = 0
  const quotedCell = (): string | null => {
    let cell = ''
    for (at += 1; at < text.length; at += 1) {
      const character = text.charAt(at)
      if (character === '\n') line += 1
      if (character !== '"') cell += character
      else if (text.charAt(at + 1) === '"') cell += text.charAt((at += 1))
      else {
        at += 1
        return cell
      }
    }
    return null
  }
  const bareCell = (): string => {
    const end = /[,\r\n]/g
    end.lastIndex = at
    const from = at
    at = end.exec(text)?.index ?? text.length
    return text.slice(from, at)
  }
  while (at < text.length) {
    const began = line
    const cells: string[] = []
    for (let isMore = true; isMore;) {
      while (text.charAt(at) === ' ' || text.charAt(at) === '\t') at += 1
      const cell = text.charAt(at) === '"' ? quotedCell() : bareCell()
      if (cell === null) return { rows, fault: `the quote that opens in line ${began} is never closed` }
      cells.push(cell + bareCell().trimEnd())
      isMore = text.charAt(at) === ','
      if (isMore) at += 1
    }
    if (text.startsWith('\r\n', at)) at += 1
    at += 1
    line += 1
    if (cells.some((cell) => cell !== '')) rows.push({ line: began, cells })
  }
  return { rows, fault: null }
}
