/** Insertions, deletions, replacements and swaps of neighbours that turn one text into the other. */
export const editDistance = (a: string, b: string): number => {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1]
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      const best = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1))
      row.push(swapped ? Math.min(best, (beforeLast[j - 2] ?? 0) + 1) : best)
    }
    beforeLast = last
    last = row
  }
  return last[b.length] ?? 0
}

const longestCompared = 100

/** The known word nearest to a mistyped one, without regard to case and `-` or `_`; undefined when none is near. */
export const nearest = (word: string, known: readonly string[]): string | undefined => {
  if (word.length > longestCompared) return undefined
  const plain = (text: string): string => text.toLowerCase().replaceAll(/[-_ ]/g, '')
  const ranked = known
    .map((candidate) => ({ candidate, distance: editDistance(plain(word), plain(candidate)) }))
    .toSorted((a, b) => a.distance - b.distance)
  const best = ranked[0]
  return best !== undefined && best.distance <= Math.max(1, Math.floor(word.length / 3)) ? best.candidate : undefined
}

/** The only known word that ends with another one, case ignored: `ServerSecret` for `Secret`. */
const longer = (word: string, known: readonly string[]): string | undefined => {
  const [only, ...more] = known.filter((candidate) => candidate.toLowerCase().endsWith(word.toLowerCase()))
  return more.length === 0 ? only : undefined
}

/** What to say of a word that is not known: the one that was meant, else all of them. */
export const instead = (word: string, known: readonly string[]): string => {
  const near = nearest(word, known) ?? longer(word, known)
  return near === undefined ? `known are ${known.join(', ')}` : `did you mean ${near}?`
}
