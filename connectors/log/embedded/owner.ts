import Sqlite from 'better-sqlite3'
import { closeSync, existsSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ConnectorError } from '../../errors.ts'
import { asLogError, isBusy } from './store-errors.ts'

/** This process's hold on a log's tasks. */
export interface Ownership {
  /** The owner before this one did not close the log: it was killed, or the machine stopped. */
  readonly isAfterCrash: boolean
  /** Not clean: the next owner checks the file. */
  release(isClean: boolean): void
}

/**
 * Makes this process the owner of the directory's tasks, until `release` or its end, however it ends. Throws
 * ConnectorError LOG_DENIED naming the directory and the process that owns them.
 */
export const takeOwnership = (dir: string): Ownership => {
  const lockFile = join(dir, 'owner.lock')
  const pidFile = join(dir, 'owner.pid')
  const lock = openLock(lockFile)
  try {
    // An open transaction holds the operating system's lock, which ends with the process; the pid is only for people.
    lock.exec('BEGIN IMMEDIATE')
  } catch (cause) {
    lock.close()
    throw isBusy(cause) ? ownedBy(dir, pidFile) : asLogError(cause, lockFile)
  }
  const isAfterCrash = existsSync(pidFile)
  writePid(pidFile)
  return {
    isAfterCrash,
    release: (isClean) => {
      if (isClean) rmSync(pidFile, { force: true })
      lock.close()
    },
  }
}

const openLock = (file: string): Sqlite.Database => {
  try {
    closeSync(openSync(file, 'a', 0o600))
    const lock = new Sqlite(file, { timeout: 0 })
    // Nothing is ever written there: no journal file beside it.
    lock.pragma('journal_mode = MEMORY')
    return lock
  } catch (cause) {
    throw asLogError(cause, file)
  }
}

const writePid = (file: string): void => {
  try {
    writeFileSync(file, `${process.pid}\n`, { mode: 0o600 })
  } catch {
    // On a full disk the tasks still run: nobody learns the number, and the next start checks the whole file.
  }
}

const ownedBy = (dir: string, pidFile: string): ConnectorError => {
  const pid = existsSync(pidFile) ? readFileSync(pidFile, 'utf8').trim() : ''
  return new ConnectorError(
    'LOG_DENIED',
    `the tasks of the log in ${dir} run in ${pid === '' ? 'another process' : `process ${pid}`}: end it first, or name another directory`,
  )
}
