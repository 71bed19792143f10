/** Keys and indexes from the top of the file to a value. */
export type Path = readonly (string | number)[]

/** Something wrong in a configuration file, and what to do about it. Holds no secret. */
export interface Problem {
  readonly file: string
  /** From 1. */
  readonly line: number
  /** From 1. */
  readonly column: number
  /** As `monitors[0].parameters.DelayThreshold`; empty for the file as a whole. */
  readonly path: string
  readonly message: string
  /** error: the file cannot be used. warning: it can, but perhaps not as meant. */
  readonly level: 'error' | 'warning'
}

/** Takes note of a problem. `at` says which part of the file to point to, by default the value; `unnamed`: the last key is not shown. */
export type Report = (
  path: Path,
  message: string,
  options?: { readonly level?: Problem['level']; readonly at?: 'key' | 'value'; readonly unnamed?: boolean },
) => void

const longestShown = 60
/** C0, C1, and the marks that change the direction of text: nothing of the file may steer a terminal. */
const unprintable = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu

const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`

/** The text with escapes for what could steer a terminal: controls, line ends, marks of direction. */
export const printable = (text: string): string => text.replace(unprintable, escaped)

/** Text of the file inside a message: printable, 60 characters at most. Never for secrets. */
export const shown = (text: string): string => {
  const characters = Array.from(text.slice(0, 4 * longestShown))
  const short = characters.length > longestShown ? `${characters.slice(0, longestShown).join('')}…` : text
  return printable(short)
}

/** Keys that somebody chose as a word; what else stands as a key may be anything, also a secret at the wrong place. */
export const isWord = (key: string): boolean => /^[\w$-]+$/.test(key)

const step = (key: string | number): string => {
  if (typeof key === 'number') return `[${key}]`
  return isWord(key) ? `.${key}` : `["${shown(key)}"]`
}

export const pathText = (path: Path): string => path.map(step).join('').replace(/^\./, '')

const placeOf = ({ file, line, column, path }: Problem): string =>
  `${file}:${line}:${column}${path === '' ? '' : ` ${path}`}`

/** One line: `relay.yaml:6:9 monitors[0].parameters.DelayThreshold: …`. */
export const printProblem = (problem: Problem): string =>
  `${placeOf(problem)}: ${problem.level === 'warning' ? 'warning: ' : ''}${problem.message}`

/** The same, where its level stands beside it. */
export const printPlainly = (problem: Problem): string => `${placeOf(problem)}: ${problem.message}`

export const byPosition = (a: Problem, b: Problem): number => a.line - b.line || a.column - b.column
