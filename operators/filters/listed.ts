const mostShown = 10

/** A list inside a sentence: the first ten, then how many more. */
export const listed = (items: readonly string[]): string => {
  if (items.length === 0) return 'none'
  const shown = items.slice(0, mostShown).join(', ')
  return items.length > mostShown ? `${shown} and ${items.length - mostShown} more` : shown
}
