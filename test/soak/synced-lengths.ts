/** From the system calls of a process: how much of its database was on disk at each moment that it names. */

/** What a power cut at that moment would certainly have left. */
export interface SyncedAt {
  /** Bytes of the write-ahead log that had been synced. */
  readonly wal: number
  /** The database file holds nothing that was not synced. */
  readonly isDatabaseSynced: boolean
}

export interface SyncedLengths {
  /** By the number of the stop. */
  readonly stops: ReadonlyMap<number, SyncedAt>
  /** How often the write-ahead log was begun anew, after a checkpoint. */
  readonly walBegun: number
  readonly syncs: number
}

interface Call {
  readonly name: string
  readonly text: string
}

/** Reads the output of `strace -f -y`; `file` is the database's path. Throws when the file is written in a way not known here. */
export const syncedLengths = (trace: string, file: string): SyncedLengths => {
  const stops = new Map<number, SyncedAt>()
  let written = 0
  let synced = 0
  let isDatabaseSynced = true
  let walBegun = 0
  let syncs = 0

  const write = ({ text }: Call, isWal: boolean): void => {
    const [, length, offset] = /, (\d+), (\d+)\) += \d+$/.exec(text) ?? []
    if (length === undefined || offset === undefined) throw new Error(`a write that is not understood: ${text}`)
    if (!isWal) isDatabaseSynced = false
    else if (offset === '0') {
      walBegun++
      written = Number(length)
      synced = 0
    } else written = Math.max(written, Number(offset) + Number(length))
  }

  const sync = (isWal: boolean): void => {
    syncs++
    if (isWal) synced = written
    else isDatabaseSynced = true
  }

  for (const call of calls(trace)) {
    const stop = /^write\(1<[^>]*>, "P (\d+)\\n"/.exec(call.text)
    if (stop !== null) stops.set(Number(stop[1]), { wal: synced, isDatabaseSynced })
    const isWal = call.text.includes(`<${file}-wal>`)
    if (!isWal && !call.text.includes(`<${file}>`)) continue
    if (call.name === 'fsync' || call.name === 'fdatasync') sync(isWal)
    else if (call.name === 'pwrite64') write(call, isWal)
    else if (call.name === 'ftruncate' && isWal) written = synced = 0
    else if (call.name !== 'ftruncate') throw new Error(`a call that is not understood: ${call.text}`)
  }
  return { stops, walBegun, syncs }
}

/** Calls in the order of their end: those of several threads may be cut in two. */
function* calls(trace: string): Iterable<Call> {
  const begun = new Map<string, string>()
  for (const line of trace.split('\n')) {
    const [, thread = '', rest = ''] = /^(\d+) +(.*)$/.exec(line) ?? []
    const cut = rest.indexOf(' <unfinished ...>')
    if (cut >= 0) {
      begun.set(thread, rest.slice(0, cut))
      continue
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest)
    const text = resumed === null ? rest : `${begun.get(thread) ?? ''}${resumed[1]}`
    const name = /^(\w+)\(/.exec(text)?.[1]
    if (name !== undefined) yield { name, text }
  }
}
