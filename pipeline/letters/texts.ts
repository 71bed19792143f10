import { jsonText } from '../../connectors/velociraptor/exact-json.ts'

// Besides controls and direction marks: what is drawn as nothing, so that two texts that differ never look alike.
const HIDDEN =
  /[\p{Cc}\p{Cs}\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu
// Most texts are of these characters only, and this is known ten times sooner.
const PRINTABLE_ASCII = /^[ -~]*$/
// Looked for only where a run of spaces begins: a text may be a million spaces.
const LINE_BREAKS = /(?<![ \t])(?:[ \t]*[\r\n\v\f\u0085\u2028\u2029])+[ \t]*/g
const ELLIPSIS = '…'

/** The text with every control character, direction mark and lone surrogate as an escape (`\u202e`); `\r\n` and `\n` stay as `\n`. */
export function visible(text: string): string {
  return PRINTABLE_ASCII.test(text) ? text : text.replaceAll('\r\n', '\n').replace(HIDDEN, escapeOf)
}

/** The visible text on one line: what breaks a line becomes one space. */
export function singleLine(text: string): string {
  return PRINTABLE_ASCII.test(text) ? text : visible(text.replaceAll(LINE_BREAKS, ' '))
}

/** A value of a decoded row as text: nothing for null, lists and dicts as JSON, everything else as it is written. */
export function valueText(value: unknown): string {
  if (value === null || value === undefined) return ''
  if (typeof value === 'string') return value
  if (typeof value === 'object') return jsonText(value, withBigIntegers)
  return typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint' ? String(value) : ''
}

/** The first `length` code points and `…`, or the whole text when it is no longer. */
export function elideRight(text: string, length: number): string {
  const end = forward(text, length)
  return end >= text.length ? text : text.slice(0, end) + ELLIPSIS
}

/** `…` and the last `length` code points, or the whole text when it is no longer. */
export function elideLeft(text: string, length: number): string {
  const start = backward(text, length)
  return start <= 0 ? text : ELLIPSIS + text.slice(start)
}

/** The first and the last half of `length` (2 or more) code points around `…`, or the whole text when it is no longer. */
export function elideMiddle(text: string, length: number): string {
  if (length < 2) throw new RangeError('a text is elided in its middle to 2 characters or more')
  if (forward(text, length) >= text.length) return text
  const half = Math.floor(length / 2)
  return text.slice(0, forward(text, half)) + ELLIPSIS + text.slice(backward(text, half))
}

function escapeOf(character: string): string {
  if (character === '\n') return character
  const code = character.codePointAt(0) ?? 0
  return code > 0xffff ? `\\u{${code.toString(16)}}` : `\\u${code.toString(16).padStart(4, '0')}`
}

function withBigIntegers(_: string, part: unknown): unknown {
  return typeof part === 'bigint' ? part.toString() : part
}

function forward(text: string, count: number): number {
  if (text.length <= count) return text.length
  let at = 0
  for (let left = count; left > 0 && at < text.length; left--) at += (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1
  return at
}

function backward(text: string, count: number): number {
  if (text.length <= count) return 0
  let at = text.length
  for (let left = count; left > 0 && at > 0; left--) at -= (text.codePointAt(at - 2) ?? 0) > 0xffff ? 2 : 1
  return at
}
