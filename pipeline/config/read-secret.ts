import { isRecord } from './is-record.ts'
import type { Path, Report } from './problem.ts'
import { secretOf } from './secret.ts'
import type { Secret } from './secret.ts'
import { contentsOf } from './surroundings.ts'
import type { Surroundings } from './surroundings.ts'

const howTo = 'write { file: PATH } or { env: NAME }'

/** What the messages call a secret, whether it takes more than a line, and whether only sending mail needs it. */
export interface SecretKind {
  readonly name: string
  readonly manyLines?: boolean
  readonly forMail?: boolean
}

const password: SecretKind = { name: 'password' }
export const mailPassword: SecretKind = { ...password, forMail: true }

const fromFile = (
  file: string,
  path: Path,
  report: Report,
  surroundings: Surroundings,
  { name, manyLines = false }: SecretKind,
): Secret | undefined => {
  const contents = contentsOf(surroundings, file)
  const how = `put the ${name} there, alone${manyLines ? '' : ', in one line'}`
  if (typeof contents === 'string') return void report(path, `${contents}: ${how}`)
  const text = contents.text.replace(/\r?\n$/, '')
  if (text === '') return void report(path, `the file is empty: ${how}`)
  if (!manyLines && /[\r\n]/.test(text))
    return void report(path, `the file has several lines: it must hold the ${name} alone`)
  if (contents.readableByOthers)
    report(path, 'others can read the file: chmod 600 it (unless a container mounts it this way)', { level: 'warning' })
  return secretOf(text)
}

/**
 * Reads a secret from the file or the environment variable that is named; where nobody sends mail, one for mail is empty. No message ever
 * shows what was written there.
 */
export const readSecret = (
  value: unknown,
  path: Path,
  report: Report,
  surroundings: Surroundings,
  kind: SecretKind = password,
): Secret | undefined => {
  if (!isRecord(value)) return void report(path, `a ${kind.name} must not stand in this file: ${howTo}`)
  const { file, env } = value
  const hasOneKey = Object.keys(value).length === 1
  const isUnread = kind.forMail === true && surroundings.sendsNoMail === true
  if (hasOneKey && typeof file === 'string' && file !== '')
    return isUnread ? secretOf('') : fromFile(file, [...path, 'file'], report, surroundings, kind)
  if (!hasOneKey || typeof env !== 'string' || env === '')
    return void report(path, `takes one of file and env: ${howTo}`)
  if (isUnread) return secretOf('')
  const text = Object.hasOwn(surroundings.env, env) ? surroundings.env[env] : undefined
  if (text === undefined || text === '')
    return void report(
      [...path, 'env'],
      'the environment has no variable of this name, or it is empty: set it before the start',
    )
  return secretOf(text)
}
