import { readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { isRecord } from './is-record.ts'

export interface FileContents {
  readonly text: string
  /** Somebody besides the owner may read it. */
  readonly readableByOthers: boolean
}

/** What a configuration refers to outside of its own text. */
export interface Surroundings {
  /** Path of the file, as it is shown in problems; relative paths inside it start at its directory. */
  readonly file: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** Throws, with the system's `code`, when the file cannot be read. */
  readonly readFile: (path: string) => FileContents
  /** Nobody is going to send mail: secrets of mail servers are not read, and need not be there. */
  readonly sendsNoMail?: true
}

const others = 0o077
const largest = 1_048_576

/** Reads a file of the machine, 1 MiB at most. */
export const readFileFromDisk = (path: string): FileContents => {
  const { mode, size } = statSync(path)
  if (size > largest) throw Object.assign(new Error('file too large'), { code: 'EFBIG' })
  return { text: readFileSync(path, 'utf8'), readableByOthers: process.platform !== 'win32' && (mode & others) !== 0 }
}

export const absolute = ({ file }: Surroundings, path: string): string => resolve(dirname(file), path)

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EACCES: 'this user may not read the file',
  EPERM: 'this user may not read the file',
  EISDIR: 'that is a directory',
  EFBIG: 'that file is larger than 1 MiB',
}

/** The contents of a file that the configuration names, or in a few words why there are none. Names no path: it may be a misplaced password. */
export const contentsOf = (surroundings: Surroundings, path: string): FileContents | string => {
  try {
    return surroundings.readFile(absolute(surroundings, path))
  } catch (error) {
    const code = isRecord(error) ? error['code'] : undefined
    return (typeof code === 'string' ? reasons[code] : undefined) ?? 'the file cannot be read'
  }
}
