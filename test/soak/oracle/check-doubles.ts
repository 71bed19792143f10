import { type Account, cutReply, type TakenLetter } from './account.ts'

/** Copies of a letter that the mail server has beyond the first. */
export const doublesIn = (taken: readonly Pick<TakenLetter, 'messageId'>[]): number =>
  taken.length - new Set(taken.map(({ messageId }) => messageId)).size

/**
 * Whoever was told twice was told by copies of one letter, each copy but the last met with a mishap before its receipt, and no strike
 * doubled more letters than were under way.
 */
export const checkDoubles = ({ taken, mostDoubled }: Pick<Account, 'taken' | 'mostDoubled'>): readonly string[] => {
  const wrong: string[] = []
  const doubledBy = new Map<string, number>()
  for (const [id, copies] of Map.groupBy(taken, ({ messageId }) => messageId)) {
    const inOrder = copies.toSorted((a, b) => a.at - b.at)
    if (new Set(copies.map(({ about }) => about.join())).size > 1)
      wrong.push(`the copies of ${id} tell different things`)
    for (const { mishap, at, to } of inOrder.slice(0, -1)) {
      if (mishap === null)
        wrong.push(`${to} got ${id} again, though nothing befell its copy of ${new Date(at).toISOString()}`)
      else if (mishap !== cutReply) doubledBy.set(mishap, (doubledBy.get(mishap) ?? 0) + 1)
    }
  }
  for (const [strike, count] of doubledBy)
    if (count > mostDoubled) wrong.push(`${count} letters came again because ${strike}, more than ${mostDoubled}`)
  const tellings = taken.flatMap(({ to, about, messageId }) =>
    about.map((name) => ({ key: `${to} of ${name}`, messageId })),
  )
  for (const [key, copies] of Map.groupBy(tellings, ({ key }) => key))
    if (new Set(copies.map(({ messageId }) => messageId)).size > 1) wrong.push(`two letters tell ${key}`)
  return wrong
}
