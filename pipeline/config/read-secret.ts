import { isRecord } from './is-record.ts'
import type { Path, Report } from './problem.ts'
import { secretOf } from './secret.ts'
import type { Secret } from './secret.ts'
import { contentsOf } from './surroundings.ts'
import type { Surroundings } from './surroundings.ts'

const howTo = 'write { file: PATH } or { env: NAME }'

const fromFile = (file: string, path: Path, report: Report, surroundings: Surroundings): Secret | undefined => {
  const contents = contentsOf(surroundings, file)
  if (typeof contents === 'string') return void report(path, `${contents}: put the password there, alone, in one line`)
  const text = contents.text.replace(/\r?\n$/, '')
  if (text === '') return void report(path, 'the file is empty: put the password there, alone, in one line')
  if (/[\r\n]/.test(text)) return void report(path, 'the file has several lines: it must hold the password alone')
  if (contents.readableByOthers)
    report(path, 'others can read the file: chmod 600 it (unless a container mounts it this way)', { level: 'warning' })
  return secretOf(text)
}

/** Reads a secret from the file or the environment variable that is named. No message ever shows what was written there. */
export const readSecret = (
  value: unknown,
  path: Path,
  report: Report,
  surroundings: Surroundings,
): Secret | undefined => {
  if (!isRecord(value)) return void report(path, `a password must not stand in this file: ${howTo}`)
  const { file, env } = value
  const hasOneKey = Object.keys(value).length === 1
  if (hasOneKey && typeof file === 'string' && file !== '')
    return fromFile(file, [...path, 'file'], report, surroundings)
  if (!hasOneKey || typeof env !== 'string' || env === '')
    return void report(path, `takes one of file and env: ${howTo}`)
  const text = Object.hasOwn(surroundings.env, env) ? surroundings.env[env] : undefined
  if (text === undefined || text === '')
    return void report(
      [...path, 'env'],
      'the environment has no variable of this name, or it is empty: set it before the start',
    )
  return secretOf(text)
}
