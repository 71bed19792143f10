/** A piece of a VQL text. `text` is what stands there, `value` what it means. */
export interface Token {
  readonly is: 'word' | 'text' | 'number' | 'sign' | 'end'
  readonly text: string
  readonly value: string
  /** Offset from the beginning. */
  readonly at: number
}

/** Why a text is not VQL, in the server's words. */
export class VqlError extends Error {
  override readonly name = 'VqlError'
}

const pattern =
  /(?<blank>\s+|--[^\n]*|\/\/[^\n]*|\/\*[^]*?\*\/)|(?<raw>'''[^]*?''')|(?<single>'(?:[^'\\]|\\[^])*')|(?<double>"(?:[^"\\]|\\[^])*")|(?<number>0x[0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?<quoted>`[^`]*`)|(?<word>[A-Za-z_$][A-Za-z0-9_$]*)|(?<sign>\*\*|=~|!=|<=|>=|&&|\|\||[-+*/=<>.,()[\]{}:])/y

const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', '0': '\0' }

const unescaped = (text: string): string =>
  text.replace(/\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|[^])/g, (_, code: string) =>
    code.length > 1 ? String.fromCharCode(Number.parseInt(code.slice(1), 16)) : (escapes[code] ?? code),
  )

/** Cuts a VQL text into tokens, the last one being the end. Throws VqlError. */
export const tokensOf = (vql: string): readonly Token[] => {
  const tokens: Token[] = []
  let at = 0
  while (at < vql.length) {
    pattern.lastIndex = at
    const groups = pattern.exec(vql)?.groups
    if (groups === undefined)
      throw new VqlError(`${whereIn(vql, at)}: lexer: invalid input text ${goQuoted(vql.slice(at))}.`)
    const [kind, text] = Object.entries(groups).find(([, found]) => found !== undefined) as [string, string]
    if (kind !== 'blank') tokens.push(tokenOf(kind, text, at))
    at += text.length
  }
  tokens.push({ is: 'end', text: '<EOF>', value: '', at: vql.length })
  return tokens
}

const tokenOf = (kind: string, text: string, at: number): Token => {
  switch (kind) {
    case 'raw':
      return { is: 'text', text, value: text.slice(3, -3), at }
    case 'single':
    case 'double':
      return { is: 'text', text, value: unescaped(text.slice(1, -1)), at }
    case 'quoted':
      return { is: 'word', text, value: text.slice(1, -1), at }
    case 'number':
      return { is: 'number', text, value: text, at }
    case 'word':
      return { is: 'word', text, value: text, at }
    default:
      return { is: 'sign', text, value: text === '&&' ? 'AND' : text === '||' ? 'OR' : text, at }
  }
}

const goQuoted = (text: string): string => JSON.stringify(text.length > 100 ? text.slice(0, 100) : text)

/** The place of an error as the server gives it: ten characters on either side, then line and column from 1. */
export const whereIn = (vql: string, at: number): string => {
  const before = vql.slice(0, at)
  const line = before.split('\n').length
  const column = at - (before.lastIndexOf('\n') + 1) + 1
  const end = Math.max(at, Math.min(at + 10, vql.length - 1))
  return `${vql.slice(Math.max(0, at - 10), at)}|${vql.slice(at, end)}: ${line}:${column}`
}

/** What the server says of a token that must not stand where it stands. */
export const unexpected = (vql: string, token: Token, expected?: string): VqlError =>
  new VqlError(
    `${whereIn(vql, token.at)}: unexpected token ${JSON.stringify(token.text)}${expected === undefined ? '' : ` (expected ${expected})`}.`,
  )
