import type { Stop } from './stop.ts'
import { compare, type Row } from './values.ts'

/** Where a query's rows go. `done` is called once, after the last row. */
export interface Sink {
  readonly stop: Stop
  row(row: Row): void
  done(): void
}

/** Sends rows until told to stop, then says that it is done. */
export const sendRows = (rows: Iterable<Row>, out: Sink): void => {
  for (const row of rows) {
    if (out.stop.stopped) return
    out.row(row)
  }
  out.done()
}

/** LIMIT: done after `most` rows, though not before the first. */
export const limited = (most: number, out: Sink): Sink => {
  let sent = 0
  return {
    stop: out.stop,
    row: (row) => {
      if (sent > 0 && sent >= most) return
      sent++
      out.row(row)
      // The server looks at the limit after a row, so that LIMIT 0 gives one.
      if (sent >= most) out.done()
    },
    done: () => out.done(),
  }
}

/** ORDER BY one column: rows are held until the last has come. Values that cannot be compared count as equal. */
export const sorted = ({ name, descending }: { name: string; descending: boolean }, out: Sink): Sink => {
  const rows: Row[] = []
  return {
    stop: out.stop,
    row: (row) => rows.push(row),
    done: () => {
      const sign = descending ? -1 : 1
      rows.sort((a, b) => sign * (compare(a.get(name) ?? null, b.get(name) ?? null) ?? 0))
      sendRows(rows, out)
    },
  }
}
