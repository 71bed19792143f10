const usualMost = 512
const usualLongest = 256

interface Bounds {
  /** So many different texts at least, and twice as many at most. */
  readonly most?: number
  /** Longer texts are not kept. */
  readonly longest?: number
}

/** Remembers what was answered to the last texts, which is the same each time. */
export const remembering = <A extends NonNullable<unknown>>(
  answerTo: (text: string) => A,
  { most = usualMost, longest = usualLongest }: Bounds = {},
): ((text: string) => A) => {
  let recent = new Map<string, A>()
  let older = new Map<string, A>()
  const remember = (text: string, answer: A): A => {
    if (recent.size >= most) {
      older = recent
      recent = new Map()
    }
    recent.set(text, answer)
    return answer
  }
  return (text) => {
    if (text.length > longest) return answerTo(text)
    return recent.get(text) ?? remember(text, older.get(text) ?? answerTo(text))
  }
}
