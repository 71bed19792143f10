import type { Outcome } from '../../schemas/generated.ts'

/** A 53-bit hash (cyrb53) of a searched word, without regard to case. Two words may share one: whoever finds by it compares. */
export const hashOf = (word: string): number => {
  const text = word.toLowerCase()
  let a = 0xdeadbeef
  let b = 0x41c6ce57
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    a = Math.imul(a ^ code, 0x9e3779b1)
    b = Math.imul(b ^ code, 0x5f356495)
  }
  a = Math.imul(a ^ (a >>> 16), 0x85ebca6b) ^ Math.imul(b ^ (b >>> 13), 0xc2b2ae35)
  b = Math.imul(b ^ (b >>> 16), 0x85ebca6b) ^ Math.imul(a ^ (a >>> 13), 0xc2b2ae35)
  return (b >>> 11) * 2 ** 32 + (a >>> 0)
}

/** What an outcome is found by: event, flow, client and hunt by its verdicts; event, recipient and Message-ID by its deliveries. */
export const wordsOf = ({ event, flow, client, hunt, name, verdicts, deliveries }: Outcome): readonly string[] => {
  const words = verdicts.length > 0 ? [event, flow, client, hunt, name] : [event]
  for (const { recipient, message_id } of deliveries) words.push(recipient, message_id)
  return words.filter((word) => word !== '')
}

/** Whether an outcome is found by a word, without regard to case. */
export const isFoundBy = (outcome: Outcome, word: string): boolean => {
  const wanted = word.toLowerCase()
  return wordsOf(outcome).some((each) => each.toLowerCase() === wanted)
}
