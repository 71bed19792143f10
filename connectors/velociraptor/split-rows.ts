const quote = 0x22
const comma = 0x2c
const openBracket = 0x5b
const backslash = 0x5c
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d

const isSpace = (code: number): boolean => code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09

/** Where the string that opens at `at` closes. */
const endOfString = (text: string, at: number): number => {
  for (let end = text.indexOf('"', at + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let slashes = 0
    while (text.charCodeAt(end - 1 - slashes) === backslash) slashes++
    if (slashes % 2 === 0) return end
  }
  throw new SyntaxError('a string does not end')
}

const trimmed = (text: string, from: number, to: number): string => {
  while (from < to && isSpace(text.charCodeAt(from))) from++
  while (to > from && isSpace(text.charCodeAt(to - 1))) to--
  if (from === to) throw new SyntaxError('an element is missing')
  return text.slice(from, to)
}

/** The verbatim text of each element of a JSON array. Throws SyntaxError where the text is no array; the elements are not checked inside. */
export const splitRows = (text: string): readonly string[] => {
  const rows: string[] = []
  let at = 0
  while (isSpace(text.charCodeAt(at))) at++
  if (text.charCodeAt(at) !== openBracket) throw new SyntaxError('no JSON array')
  let from = ++at
  let depth = 1
  const { length } = text
  for (; depth > 0; at++) {
    if (at >= length) throw new SyntaxError('the array does not end')
    const code = text.charCodeAt(at)
    // Most characters are letters and digits of no meaning here: two comparisons let them pass.
    if (code === quote) at = endOfString(text, at)
    else if (code < comma || (code > comma && code < openBracket)) continue
    else if (code === openBrace || code === openBracket) depth++
    else if (code === closeBrace || code === closeBracket) depth--
    else if (code === comma && depth === 1) {
      rows.push(trimmed(text, from, at))
      from = at + 1
    }
  }
  const end = at - 1
  if (text.charCodeAt(end) !== closeBracket) throw new SyntaxError('the array does not end')
  while (at < length) if (!isSpace(text.charCodeAt(at++))) throw new SyntaxError('something follows the array')
  if (rows.length === 0 && text.slice(from, end).trim() === '') return rows
  rows.push(trimmed(text, from, end))
  return rows
}
