const quote = 0x22
const comma = 0x2c
const openBracket = 0x5b
const backslash = 0x5c
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d

const isSpace = (code: number): boolean => code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09

/** Characters of a text looked at one by one: most texts are shorter, and for those a search costs more than it saves. */
const shortText = 48

/** Where the text that opens at `open` closes. */
const endOfText = (text: string, open: number): number => {
  const near = Math.min(open + shortText, text.length)
  let at = open + 1
  for (; at < near; at++) {
    const code = text.charCodeAt(at)
    if (code === quote) return at
    if (code === backslash) at++
  }
  for (let end = text.indexOf('"', at); end !== -1; end = text.indexOf('"', end + 1)) {
    let slashes = end
    while (slashes > at && text.charCodeAt(slashes - 1) === backslash) slashes--
    if ((end - slashes) % 2 === 0) return end
  }
  throw new SyntaxError('a text does not end')
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
  const { length } = text
  let at = 0
  while (isSpace(text.charCodeAt(at))) at++
  if (text.charCodeAt(at) !== openBracket) throw new SyntaxError('no JSON array')
  let from = ++at
  let depth = 1
  for (; at < length; at++) {
    const code = text.charCodeAt(at)
    if (code === quote) at = endOfText(text, at)
    else if (code === comma) {
      if (depth > 1) continue
      rows.push(trimmed(text, from, at))
      from = at + 1
    }
    // A brace and its bracket differ in one bit; what else lies above them is letters.
    else if (code < openBracket) continue
    else if ((code | 0x20) === openBrace) depth++
    else if ((code | 0x20) === closeBrace && --depth === 0) break
  }
  if (text.charCodeAt(at) !== closeBracket) throw new SyntaxError('the array does not end')
  for (let rest = at + 1; rest < length; rest++)
    if (!isSpace(text.charCodeAt(rest))) throw new SyntaxError('something follows the array')
  if (rows.length === 0 && text.slice(from, at).trim() === '') return rows
  rows.push(trimmed(text, from, at))
  return rows
}

const memberKey = /^\s*("(?:[^"\\]|\\.)*")\s*:\s*/

/** Keys and verbatim value texts of a JSON object, in order, repeated keys included. Throws SyntaxError where the text is no object. */
export const splitMembers = (text: string): readonly (readonly [key: string, json: string])[] => {
  const from = text.indexOf('{')
  const to = text.lastIndexOf('}')
  if (from === -1 || to < from) throw new SyntaxError('no JSON object')
  return splitRows(`[${text.slice(from + 1, to)}]`).map((item) => {
    const [head, key] = memberKey.exec(item) ?? []
    if (head === undefined || key === undefined) throw new SyntaxError('a member has no key')
    return [JSON.parse(key) as string, item.slice(head.length)]
  })
}
