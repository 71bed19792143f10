/** Texts of which one must stand in whatever matches: ASCII, in lower case. */
export type Clause = readonly string[]

const quantifier = /(?:([*?])|\+|\{(\d+)(?:,\d*)?\})\??/y
const flags = /\(\?[imsU]*(?:-[imsU]+)?\)/y
const groupStart = /\((?:\?(?:P?<\w+>|[imsU]*(?:-[imsU]+)?:))?/y
const characterClass = /\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*\]/sy
/** Escapes that stand for no printable character, or not for one alone. */
const escape = /\\(?:[pP](?:\{\^?\w+\}|\w)|x(?:\{[\dA-Fa-f]+\}|[\dA-Fa-f]{2})|[0-7]{1,3}|[dDsSwWbBAzCafnrtv])/y
const quotation = /\\Q(?!\\E)(.+?)(?:\\E|$)/sy
const escaped = /\\([!-/:-@[-`{-~ ])/y
/** Of these, both cases are known; what else is equal to them is the reader's affair. */
const literal = /^[ -~]+$/

const mostClauses = 8
const mostAlternatives = 32

const shortest = (clause: Clause): number => Math.min(...clause.map(({ length }) => length))
const mostTelling = (clauses: readonly Clause[]): readonly Clause[] =>
  clauses.toSorted((a, b) => shortest(b) - shortest(a)).slice(0, mostClauses)

/** What is required where one of several branches matches. */
const either = (branches: readonly (readonly Clause[])[]): readonly Clause[] => {
  if (branches.length === 1) return branches[0] ?? []
  const best = branches.map((clauses) => mostTelling(clauses)[0])
  const texts = [...new Set(best.flatMap((clause) => clause ?? []))]
  return best.includes(undefined) || texts.length > mostAlternatives ? [] : [texts]
}

/** Pattern text that is not understood: nothing is required by it then. */
class Strange extends Error {}

/** A pattern's text, read from left to right. */
const openReader = (pattern: string) => {
  let at = 0
  const takes = (expression: RegExp): RegExpExecArray | null => {
    expression.lastIndex = at
    const match = expression.exec(pattern)
    if (match !== null) at = expression.lastIndex
    return match
  }
  const needs = (expression: RegExp): RegExpExecArray => {
    const match = takes(expression)
    if (match === null) throw new Strange()
    return match
  }
  return {
    takes,
    needs,
    next: () => pattern.charAt(at),
    skip: () => pattern.charAt(at++),
    /** How often at least what stands before must come; null: once, as no quantifier follows. */
    least(): number | null {
      const match = takes(quantifier)
      return match === null ? null : match[1] === undefined ? Number(match[2] ?? 1) : 0
    },
  }
}
type Reader = ReturnType<typeof openReader>

/** The literals of a branch as they come. */
const openBranch = () => {
  const clauses: Clause[] = []
  let run = ''
  const end = (): void => {
    if (run !== '') clauses.push([run])
    run = ''
  }
  return {
    clauses,
    end,
    add(text: string, least: number | null) {
      const characters = least === 0 ? text.slice(0, -1) : text
      if (characters !== '' && !literal.test(text)) end()
      else run += characters.toLowerCase()
      if (least !== null) end()
    },
  }
}

const readBranch = (reader: Reader): readonly Clause[] => {
  const { clauses, end, add } = openBranch()
  const opaque = (): void => {
    end()
    reader.least()
  }
  for (;;) {
    const next = reader.next()
    if (next === '' || next === '|' || next === ')') break
    if (reader.least() !== null) throw new Strange()
    if (reader.takes(flags) !== null) end()
    else if (next === '(') {
      end()
      const inside = readGroup(reader)
      if (reader.least() !== 0) clauses.push(...inside)
    } else if (next === '[') {
      reader.needs(characterClass)
      opaque()
    } else if (next === '\\') {
      if (reader.takes(escape) !== null) opaque()
      else add((reader.takes(quotation) ?? reader.needs(escaped))[1] ?? '', reader.least())
    } else {
      reader.skip()
      if (next === '.' || next === '^' || next === '$') opaque()
      else add(next, reader.least())
    }
  }
  end()
  return clauses
}

const readBranches = (reader: Reader): readonly Clause[] => {
  const branches = [readBranch(reader)]
  while (reader.next() === '|') {
    reader.skip()
    branches.push(readBranch(reader))
  }
  return either(branches)
}

const readGroup = (reader: Reader): readonly Clause[] => {
  reader.needs(groupStart)
  const inside = readBranches(reader)
  if (reader.skip() !== ')') throw new Strange()
  return inside
}

/**
 * What every text holds in which a pattern of RE2 is found, the most telling first: of each clause one text at least, where case and
 * what Unicode folds into ASCII are disregarded. Empty: nothing is known. The pattern must be one that compiles.
 */
export const requiredLiterals = (pattern: string): readonly Clause[] => {
  const reader = openReader(pattern)
  try {
    const clauses = readBranches(reader)
    return reader.next() === '' ? mostTelling(clauses) : []
  } catch (error) {
    if (error instanceof Strange) return []
    throw error
  }
}
