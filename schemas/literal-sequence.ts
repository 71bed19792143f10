interface Piece {
  /** How many characters stand before it at least, behind the piece before or the line's begin. */
  readonly gap: number
  readonly text: string
}

interface Sequence {
  /** It is found in the first line or not at all. */
  readonly isAnchored: boolean
  /** The first piece is how the text begins. */
  readonly isFixed: boolean
  readonly pieces: readonly Piece[]
  /** How many characters of the line follow at least. */
  readonly tail: number
}

/** Any number of characters, or one; what has a quantifier, a class or a meaning of its own is no token. */
const token = /\.([*+])\??|(?:\\([!-/:-@[-`{-~ ])|([^\\.*+?()[\]{}|^$\0-\x1f\x7f-\uffff]))(?![*+?{])/y

/** Literals with `.*` and `.+` between them; null: it is something else, or one character more than these can say. */
const sequenceOf = (pattern: string): Sequence | null => {
  const isAnchored = pattern.startsWith('^')
  const pieces: Piece[] = []
  let gap: number | null = null
  let text = ''
  const end = (): void => {
    if (text !== '') pieces.push({ gap: gap ?? 0, text })
  }
  let isFixed = isAnchored
  for (token.lastIndex = isAnchored ? 1 : 0; token.lastIndex < pattern.length;) {
    const match = token.exec(pattern)
    if (match === null) return null
    const [, many, escaped, plain] = match
    if (many === undefined) {
      text += (escaped ?? plain ?? '').toLowerCase()
      continue
    }
    end()
    if (text !== '') gap = null
    else if (pieces.length === 0) isFixed = false
    const least = many === '+' ? 1 : 0
    if (gap === 1 && least === 1) return null
    gap = Math.max(gap ?? 0, least)
    text = ''
  }
  end()
  return { isAnchored, isFixed, pieces, tail: text === '' ? (gap ?? 0) : 0 }
}

const isFound = ({ isAnchored, isFixed, pieces, tail }: Sequence, text: string): boolean => {
  if (isFixed && !text.startsWith(pieces[0]?.text ?? '')) return false
  for (let line = 0; line <= text.length;) {
    const newline = text.indexOf('\n', line)
    const end = newline < 0 ? text.length : newline
    let at = line
    let beyond = -1
    // The earliest place of each piece leaves the most room for the next.
    for (const piece of pieces) {
      const found = text.indexOf(piece.text, at + piece.gap)
      if (found < 0) return false
      if (found > end) {
        beyond = found
        break
      }
      at = found + piece.text.length
    }
    if (beyond < 0 && at + tail <= end) return true
    if (isAnchored) return false
    // No line before the one of this piece holds it behind all others.
    line = beyond < 0 ? end + 1 : text.lastIndexOf('\n', beyond) + 1
  }
  return false
}

/** A search in a folded text. */
export interface SequenceSearch {
  /** All that must stand in the text. */
  readonly literals: readonly string[]
  isFound(folded: string): boolean
}

/**
 * Finds a pattern that is made of ASCII literals with `.*` and `.+` between them, perhaps behind `^`, as RE2 finds it without regard to
 * case, in time linear in the text, which must be folded; null: the pattern says more than that.
 */
export const sequenceSearch = (pattern: string): SequenceSearch | null => {
  const sequence = sequenceOf(pattern)
  if (sequence === null) return null
  const { isAnchored, pieces, tail } = sequence
  const literals = pieces.map(({ text }) => text)
  const [only] = pieces
  const isPlain = pieces.length === 1 && only?.gap === 0 && tail === 0 && !isAnchored
  return {
    literals,
    isFound: isPlain ? (folded) => folded.includes(only.text) : (folded) => isFound(sequence, folded),
  }
}

/**
 * Lower case where a character of ASCII stands for what RE2 takes to be the same without regard to case; other characters are no more
 * than not ASCII.
 */
export const folded = (text: string): string =>
  // Of all other characters RE2 takes two for letters of ASCII; lower case knows one of them, and makes an i of another.
  (/[\u0130\u017f]/.test(text) ? text.replaceAll('\u0130', '\u0131').replaceAll('\u017f', 's') : text).toLowerCase()
