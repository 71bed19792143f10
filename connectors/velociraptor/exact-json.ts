/** A JSON object as read: integers beyond 2^53 are bigint, everything else is what JSON.parse makes of it. */
export type Dictionary = Readonly<Record<string, unknown>>

const nine = 0x39
/** Digits of 2^53, which begins with a 9. */
const longest = 16

const isDigit = (code: number): boolean => code >= 0x30 && code <= nine

/**
 * Whether a number may lie beyond 2^53: it has 17 digits, or 16 of which the first is a 9. Times in microseconds have 16 as well, stand in
 * nearly every row, and are safe. So many digits in a row cover a place that is looked at: the others need not be.
 */
const mayBeUnsafe = (text: string): boolean => {
  for (let at = longest - 1; at < text.length; at += longest) {
    if (!isDigit(text.charCodeAt(at))) continue
    let from = at
    while (isDigit(text.charCodeAt(from - 1))) from--
    let to = at + 1
    while (isDigit(text.charCodeAt(to))) to++
    const digits = to - from
    if (digits > longest || (digits === longest && text.charCodeAt(from) === nine)) return true
  }
  return false
}

const exactNumber = (_key: string, value: unknown, context?: { readonly source?: string }): unknown =>
  typeof value === 'number' &&
  !Number.isSafeInteger(value) &&
  context?.source !== undefined &&
  /^-?\d+$/.test(context.source)
    ? BigInt(context.source)
    : value

/** Reads JSON without rounding integers: those beyond 2^53 come as bigint. Throws SyntaxError. */
export const parseExact = (text: string): unknown =>
  mayBeUnsafe(text) ? (JSON.parse(text, exactNumber) as unknown) : (JSON.parse(text) as unknown)

/** Whether a value is a JSON object. */
export const isDictionary = (value: unknown): value is Dictionary =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const rawJson = (JSON as unknown as { readonly rawJSON: (text: string) => unknown }).rawJSON

/** Writes JSON with every digit of integers that were read exactly. */
export const exactJson = (value: unknown): string =>
  JSON.stringify(value, (_key, part: unknown) => (typeof part === 'bigint' ? rawJson(String(part)) : part))
