import { ConnectorError } from '../../errors.ts'

/** Whether another process holds the file for the moment. */
export const isBusy = (cause: unknown): boolean => codeOf(cause).startsWith('SQLITE_BUSY')

/** What a failure of the database or of its file means, and what to do. */
export const asLogError = (cause: unknown, file: string): ConnectorError => {
  if (cause instanceof ConnectorError) return cause
  const code = codeOf(cause)
  const said = (prognosis: 'REFUSED' | 'UNAVAILABLE' | 'DENIED', text: string): ConnectorError =>
    new ConnectorError(`LOG_${prognosis}`, `${text} (${code})`, { cause })
  if (isFull(code)) return said('UNAVAILABLE', `no room left for the log ${file}: make room on its disk`)
  if (isBusy(cause)) return said('UNAVAILABLE', `another process holds the log ${file}`)
  if (isDamaged(code))
    return said(
      'DENIED',
      `the log ${file} is damaged or is not a log: put a copy from a backup in its place, or move the directory away and start anew`,
    )
  if (code === 'SQLITE_TOOBIG') return said('REFUSED', `a value is larger than the log ${file} can hold`)
  if (isForbidden(code))
    return said('DENIED', `the log ${file} cannot be opened for writing: see to its directory's owner and permissions`)
  return said('UNAVAILABLE', `the log ${file} cannot be read or written: see to its disk`)
}

const codeOf = (cause: unknown): string => {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  return typeof code === 'string' ? code : String(cause)
}

const isFull = (code: string): boolean => ['SQLITE_FULL', 'ENOSPC', 'EDQUOT', 'SQLITE_IOERR_SHMSIZE'].includes(code)

const isDamaged = (code: string): boolean => code.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_NOTADB'

const isForbidden = (code: string): boolean =>
  ['SQLITE_CANTOPEN', 'SQLITE_READONLY', 'SQLITE_PERM', 'SQLITE_AUTH'].some((start) => code.startsWith(start)) ||
  ['EACCES', 'EPERM', 'ENOTDIR', 'EEXIST', 'EROFS', 'EISDIR', 'ENOENT'].includes(code)
