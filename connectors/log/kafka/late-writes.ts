import type Sqlite from 'better-sqlite3'

/** What one part of a database has not written yet. */
export interface LatePart {
  /** Inside of a transaction. */
  write(): void
  /** What was written then stands. */
  written(): void
}

/** Writes that nobody waits for, many in one transaction: each one would write its pages anew. */
export interface LateWrites {
  /** A part has so many bytes more to write. Throws when the database cannot take what has gathered. */
  add(part: LatePart, bytes: number): void
  /** Writes at once what is not written yet; throws like `add`. */
  flush(): void
  close(): void
}

const afterMs = 5000
const mostBytes = 8 * 1024 * 1024

export const openLateWrites = (database: Sqlite.Database): LateWrites => {
  const parts = new Set<LatePart>()
  let waiting = 0
  let timer: NodeJS.Timeout | undefined
  const writeAll = database.transaction(() => {
    for (const part of parts) part.write()
  })

  const flush = (): void => {
    clearTimeout(timer)
    timer = undefined
    writeAll()
    for (const part of parts) part.written()
    parts.clear()
    waiting = 0
  }
  const flushLater = (): void => {
    timer ??= setTimeout(() => {
      timer = undefined
      try {
        flush()
      } catch {
        // It stays, and whoever adds more or looks for it meets the error.
        flushLater()
      }
    }, afterMs).unref()
  }

  return {
    add: (part, bytes) => {
      parts.add(part)
      waiting += bytes
      if (waiting >= mostBytes) flush()
      else flushLater()
    },
    flush,
    close: () => {
      if (parts.size > 0) flush()
      clearTimeout(timer)
    },
  }
}
