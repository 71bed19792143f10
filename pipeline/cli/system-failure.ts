import { writeSync } from 'node:fs'
import { whyNotListening } from '../../connectors/http/listen.ts'
import { singleLine } from '../letters/texts.ts'

/** What a shell says of a program that wrote to a pipe which nobody reads. */
const brokenPipe = 141

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such folder or file',
  ENOTDIR: 'there is no such folder or file',
  EACCES: 'this user may not do that there',
  EPERM: 'this user may not do that there',
  EROFS: 'nothing can be written there: it is read-only',
  EISDIR: 'that is a folder',
  EEXIST: 'a file of this name is in the way',
  ENOSPC: 'the disk is full: make room',
  EDQUOT: 'the disk quota is used up: make room',
  ENAMETOOLONG: 'the name is too long',
}

/** By the first words of SQLite's codes. */
const databaseReasons: readonly (readonly [string, string])[] = [
  ['SQLITE_FULL', 'the disk is full: make room'],
  ['SQLITE_IOERR_SHMSIZE', 'the disk is full: make room'],
  ['SQLITE_CANTOPEN', "it cannot be opened: see to its directory's owner and permissions"],
  ['SQLITE_READONLY', "it cannot be written: see to its directory's owner and permissions"],
  ['SQLITE_BUSY', 'another process holds it'],
]

/** What the machine refused to a command, as one line that says what and where, and the exit code; null: it is something else. */
export const systemFailure = (cause: unknown): { readonly text: string; readonly code: 1 | 2 } | null => {
  if (!(cause instanceof Error)) return null
  const { code, syscall, path, address, port } = cause as NodeJS.ErrnoException & { address?: string; port?: number }
  if (code === undefined) return null
  const database = databaseReasons.find(([start]) => code.startsWith(start))
  if (database !== undefined) return { text: `a database in the log's directory: ${database[1]} (${code})`, code: 1 }
  if (syscall === undefined) return null
  if (syscall === 'listen') {
    const place = port === undefined ? address : `${address}:${port}`
    return { text: singleLine(`${place}: ${whyNotListening(code)}`), code: 2 }
  }
  const where = path === undefined ? syscall : path
  return { text: singleLine(`${where}: ${reasons[code] ?? 'that failed'} (${code})`), code: 1 }
}

/** Ends a command whose output cannot be written: quietly where whoever read it has seen enough. */
export const endWithReader = (cause: Error): never => {
  if ((cause as NodeJS.ErrnoException).code === 'EPIPE') process.exit(brokenPipe)
  // Written at once, as the process ends here.
  writeSync(2, `standard output: ${systemFailure(cause)?.text ?? singleLine(cause.message)}\n`)
  process.exit(1)
}
