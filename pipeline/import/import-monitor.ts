import { instead } from '../config/did-you-mean.ts'
import { type KnownArtifact, knownArtifacts } from '../config/monitor-artifacts.ts'
import { jsonList, type Parameter, parseWhole, plainText, type Reading } from '../config/parameters.ts'
import { pathText, shown } from '../config/problem.ts'
import { parseServerCsv } from '../config/server-csv.ts'
import { concerning, type Difference } from './differences.ts'
import type { TableEntry } from './event-table.ts'

/** A parameter as it goes into the file. */
export interface ImportedParameter {
  readonly name: string
  readonly value: unknown
  readonly differences: readonly Difference[]
  /** What else should be known of it, sentences. */
  readonly remarks: readonly string[]
}

/** A parameter that cannot be taken over, and why. */
export interface LeftParameter {
  readonly name: string
  readonly why: string
}

/** An entry of a table of server events as a monitor. */
export interface ImportedMonitor {
  readonly name: string
  readonly artifact: string
  /** What the artifact is called on the server: a copy may have a name of its own. */
  readonly from: string
  readonly parameters: readonly ImportedParameter[]
  readonly left: readonly LeftParameter[]
  /** Of parameters that are not set. */
  readonly differences: readonly Difference[]
}

/** All artifacts whose work the relay does. */
export const known: ReadonlyMap<string, KnownArtifact> = new Map(Object.entries<KnownArtifact>(knownArtifacts))

const canonical = (value: unknown): string =>
  JSON.stringify(value, (_key, part: unknown) => (typeof part === 'bigint' ? String(part) : part))

/** For values that stand in no file. */
const unplaced: Reading = { report: () => undefined, writtenAt: () => undefined }

interface Read {
  readonly value: unknown
  readonly errors: readonly string[]
  readonly warnings: readonly string[]
}

const readBy = (parameter: Parameter<unknown>, given: unknown): Read => {
  const errors: string[] = []
  const warnings: string[] = []
  const value = parameter.read(given, [], {
    ...unplaced,
    report: (path, message, { level = 'error' } = {}) => {
      const place = pathText(path)
      ;(level === 'error' ? errors : warnings).push(place === '' ? message : `${place}: ${message}`)
    },
  })
  return { value, errors: value === undefined && errors.length === 0 ? ['cannot be read'] : errors, warnings }
}

/** `isWhole`: with blank cells, which some tables need. */
const csvAsList = (text: string, isWhole: boolean): unknown => {
  const { rows, fault } = parseServerCsv(text)
  const [header, ...body] = rows
  if (fault !== null || header === undefined) return undefined
  const names = header.cells.map((name) => name.trim())
  const filled = body.map(({ cells }) =>
    names
      .map((name, index) => [name, cells[index] ?? ''] as const)
      .filter(([, cell], index) => isWhole || cell !== '' || (index === 0 && names.length === 1)),
  )
  const [only] = names
  if (names.length === 1 && only !== undefined) return filled.map(([cell]) => cell?.[1] ?? '')
  return filled.map((cells) => Object.fromEntries(cells))
}

/** The forms that a person would write, the best first; the text itself comes last. */
const forms = (text: string, read: unknown): readonly unknown[] => {
  if (typeof read === 'boolean') return [read, text]
  if (typeof read === 'number') return [parseWhole(text), text]
  if (!Array.isArray(read)) return [text]
  return /^\s*\[/.test(text) ? [jsonList(text), text] : [csvAsList(text, false), csvAsList(text, true), text]
}

const plainest = (parameter: Parameter<unknown>, text: string, read: unknown): unknown => {
  const meant = canonical(read)
  const means = (form: unknown): boolean => {
    if (form === undefined || form === null) return false
    const again = readBy(parameter, form)
    return again.errors.length === 0 && canonical(again.value) === meant
  }
  return forms(text, read).find(means) ?? text
}

const importParameter = (
  artifact: KnownArtifact,
  name: string,
  given: unknown,
): ImportedParameter | LeftParameter | null => {
  const parameter = artifact.parameters[name]
  if (parameter === undefined)
    return { name, why: `is no parameter of this artifact: ${instead(name, Object.keys(artifact.parameters))}` }
  if (given === null) return null
  const written = plainText(given, [], unplaced)
  const found = concerning(artifact.artifact, name, written ?? '')
  const replaced = written === undefined ? null : (found.flatMap((one) => one.instead?.(written) ?? [])[0] ?? null)
  const isBlankNumber = written?.trim() === '' && typeof parameter.fallback === 'number'
  const taken: unknown = replaced ?? (isBlankNumber ? 0 : given)
  const { value, errors, warnings } = readBy(parameter, taken)
  if (errors.length > 0) return { name, why: errors.join('; ') }
  const remarks = warnings.map((warning) => `${warning}.`)
  if (isBlankNumber) remarks.push('is blank on the server, which reads that as 0.')
  else if (replaced !== null) remarks.push(`was ${shown(written ?? '')} on the server.`)
  return {
    name,
    value: typeof taken === 'string' ? plainest(parameter, taken, value) : taken,
    differences: found,
    remarks,
  }
}

const isLeft = (one: ImportedParameter | LeftParameter): one is LeftParameter => 'why' in one

/** An artifact's last words with hyphens: alerts, flow-completion, client-errors-alert. */
const plainName = (artifact: string): string =>
  artifact
    .replace(/^Server\.Monitor\./, '')
    .replaceAll('.', '-')
    .replaceAll(/([a-z])([A-Z])/g, '$1-$2')
    .toLowerCase()

const unused = (name: string, used: ReadonlySet<string>): string => {
  let free = name
  for (let count = 2; used.has(free); count += 1) free = `${name}-${count}`
  return free
}

/** An entry of a table as a monitor by the rules of a known artifact, under a name that is not among those used. */
export const importMonitor = (
  { artifact: from, parameters }: TableEntry,
  artifact: KnownArtifact,
  used: ReadonlySet<string>,
): ImportedMonitor => {
  const read = [...parameters]
    .map(([name, given]) => importParameter(artifact, name, given))
    .filter((one) => one !== null)
  const taken = read.filter((one): one is ImportedParameter => !isLeft(one))
  const unset = Object.keys(artifact.parameters).filter((name) => !taken.some((one) => one.name === name))
  return {
    name: unused(plainName(artifact.artifact), used),
    artifact: artifact.artifact,
    from,
    parameters: taken,
    left: read.filter(isLeft),
    differences: unset.flatMap((name) => concerning(artifact.artifact, name, undefined)),
  }
}
