import { isAlias, isMap, isNode, isScalar, isSeq, LineCounter, parseAllDocuments, parseDocument, visit } from 'yaml'
import type { Alias, Document, Node, Pair, YAMLError } from 'yaml'
import type { Path } from './problem.ts'

export interface Position {
  readonly line: number
  readonly column: number
}

/** A value and where each part of it was written. */
export interface Source {
  readonly value: unknown
  /** Where the value (or the key before it) stands; for what is missing, the nearest thing around it. */
  positionOf(path: Path, at: 'key' | 'value'): Position
  /** A scalar as it was written, without quotes; undefined when the path leads to none. */
  writtenAt(path: Path): string | undefined
}

export interface SyntaxProblem extends Position {
  readonly message: string
}

/** Aliases are for sharing a list, not for building a bomb. */
const mostAliased = 1000
const longestFile = 1_048_576
const longestStream = 16 * longestFile
const mostSyntaxProblems = 20

/** Own words, because those of the library quote what stands there, and that may be a password. */
const syntaxMessages: Partial<Record<YAMLError['code'], string>> = {
  BAD_DIRECTIVE: 'unknown % directive: remove the line',
  BAD_DQ_ESCAPE: 'unknown escape inside double quotes: use single quotes, where a backslash is just a backslash',
  BAD_INDENT: 'wrong indentation, or a bracket that is not closed',
  BAD_SCALAR_START: 'a value cannot begin with this character: put it in quotes',
  BLOCK_AS_IMPLICIT_KEY: 'a second `: ` on one line: begin a new line, or put the value in quotes',
  BLOCK_IN_FLOW: 'inside [ ] and { } everything must be written in brackets too',
  DUPLICATE_KEY: 'this key stands here twice: remove one',
  KEY_OVER_1024_CHARS: 'a key of more than 1024 characters: something before it is probably not closed',
  MISSING_CHAR: 'a closing quote or bracket, a comma, or a `:` is missing before here',
  MULTILINE_IMPLICIT_KEY: 'a key must stand on one line: check the quotes and the indentation above',
  MULTIPLE_DOCS: 'a second document begins here: the file holds one, remove the `---`',
  NON_STRING_KEY: 'a key must be plain text',
  RESOURCE_EXHAUSTION: 'nested too deeply',
  TAB_AS_INDENT: 'a tab used for indentation: use spaces',
  TAG_RESOLVE_FAILED: 'tags with `!` are not known here: remove it',
  UNEXPECTED_TOKEN: 'unexpected text: check the quotes and the indentation here and on the line above',
}

const pairOf = (node: unknown, key: string | number): Pair | undefined =>
  isMap(node)
    ? node.items.findLast((pair) => (isScalar(pair.key) ? String(pair.key.value) : pair.key) === String(key))
    : undefined

/** A value as a node of a document, with the positions of its parts. */
export const sourceOfDocument = (document: Document, lines: LineCounter, value: unknown): Source => {
  const start = (node: unknown): number | undefined => (isNode(node) ? node.range?.[0] : undefined)
  const followed = (node: unknown): unknown => (isAlias(node) ? node.resolve(document) : node)
  const child = (node: unknown, key: string | number): { key: unknown; value: unknown } | undefined => {
    const pair = pairOf(node, key)
    if (pair !== undefined) return { key: pair.key, value: followed(pair.value) }
    const item = isSeq(node) && typeof key === 'number' ? node.items[key] : undefined
    return item === undefined ? undefined : { key: item, value: followed(item) }
  }
  const isEmpty = (node: unknown): boolean =>
    node === null || (isScalar(node) && node.source === '' && !node.type?.startsWith('QUOTE'))

  return {
    value,
    positionOf(path, at) {
      let node = followed(document.contents)
      let offset = start(node) ?? 0
      for (const [index, key] of path.entries()) {
        const next = child(node, key)
        if (next === undefined) break
        const keyWanted = at === 'key' && index === path.length - 1
        const isParentOfMissing = index < path.length - 1 && child(next.value, path[index + 1] ?? '') === undefined
        const preferKey = keyWanted || isParentOfMissing || isEmpty(next.value)
        offset = (preferKey ? start(next.key) : start(next.value)) ?? start(next.key) ?? offset
        node = next.value
      }
      const { line, col } = lines.linePos(offset)
      return { line: Math.max(line, 1), column: Math.max(col, 1) }
    },
    writtenAt(path) {
      let node = followed(document.contents)
      for (const key of path) node = child(node, key)?.value
      return isScalar(node) ? node.source : undefined
    },
  }
}

const unresolvedAliases = (document: Document): Alias[] => {
  const found: Alias[] = []
  const anchors = new Set<string>()
  visit(document, {
    Node(_key, node: Node) {
      if (isAlias(node)) {
        if (!anchors.has(node.source)) found.push(node)
      } else if ('anchor' in node && node.anchor !== undefined) anchors.add(node.anchor)
    },
  })
  return found
}

const oneForEachLine = (problems: readonly SyntaxProblem[]): SyntaxProblem[] =>
  problems
    .filter(({ line }, index) => problems.findIndex((other) => other.line === line) === index)
    .slice(0, mostSyntaxProblems)

/** What reading one document came to; `source` is null when it cannot be read. */
export interface OpenedYaml {
  readonly source: Source | null
  readonly problems: readonly SyntaxProblem[]
}

const top = { line: 1, column: 1 }
const tooDeep = { ...top, message: 'nested too deeply, or too many aliases: write it out plainly' }

const positionIn = (lines: LineCounter, offset: number): Position => {
  const { line, col } = lines.linePos(offset)
  return { line: Math.max(line, 1), column: Math.max(col, 1) }
}

const opened = (document: Document, lines: LineCounter): OpenedYaml => {
  const faults = [...document.errors, ...document.warnings]
  const at = (offset: number, message: string): SyntaxProblem => ({ ...positionIn(lines, offset), message })
  const problems = faults.map(({ code, pos }) => at(pos[0], syntaxMessages[code] ?? 'this is not valid YAML'))
  for (const alias of unresolvedAliases(document))
    problems.push(
      at(
        alias.range?.[0] ?? 0,
        'this alias has no anchor `&` of its name above it (text that begins with * needs quotes)',
      ),
    )
  const isReadable = faults.every(({ code }) => code === 'DUPLICATE_KEY' || code === 'TAG_RESOLVE_FAILED')
  if (!isReadable || problems.length > faults.length) return { source: null, problems: oneForEachLine(problems) }
  try {
    const value: unknown = document.toJS({ maxAliasCount: mostAliased })
    return { source: sourceOfDocument(document, lines, value), problems }
  } catch {
    return { source: null, problems: [{ ...tooDeep, ...positionIn(lines, document.range?.[0] ?? 0) }] }
  }
}

const options = { prettyErrors: false, stringKeys: true, logLevel: 'error' } as const

/** Reads YAML 1.2. Never throws; `source` is null when the text cannot be read as one document. */
export const openYaml = (text: string): OpenedYaml => {
  if (text.length > longestFile)
    return {
      source: null,
      problems: [{ ...top, message: 'the file is larger than 1 MiB: this is hardly a configuration' }],
    }
  const lines = new LineCounter()
  try {
    return opened(parseDocument(text, { ...options, lineCounter: lines }), lines)
  } catch {
    return { source: null, problems: [tooDeep] }
  }
}

/**
 * Reads the documents of a YAML 1.2 file, 16 MiB at most; integers come as bigint, `<<` merges mappings. Never throws. Empty
 * documents are left out.
 */
export const openYamlDocuments = (text: string): readonly OpenedYaml[] => {
  if (text.length > longestStream)
    return [{ source: null, problems: [{ ...top, message: 'the file is larger than 16 MiB' }] }]
  const lines = new LineCounter()
  try {
    const documents = parseAllDocuments(text, { ...options, lineCounter: lines, intAsBigInt: true, merge: true })
    if (!Array.isArray(documents)) return []
    return documents
      .map((document) => opened(document, lines))
      .filter(({ source, problems }) => problems.length > 0 || source?.value !== null)
  } catch {
    return [{ source: null, problems: [tooDeep] }]
  }
}
