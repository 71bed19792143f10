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

/** Reads JSON without rounding integers: those beyond 2^53 come as bigint, but for a text that nests thousands deep. Throws SyntaxError. */
export const parseExact = (text: string): unknown =>
  mayBeUnsafe(text)
    ? unlessTooDeep(
        () => JSON.parse(text, exactNumber) as unknown,
        () => JSON.parse(text) as unknown,
      )
    : (JSON.parse(text) as unknown)

/** Plain reading takes any depth; what calls itself for each level ends at the stack's. Whoever wrote a row chose its depth. */
const unlessTooDeep = <T>(usual: () => T, otherwise: () => T): T => {
  try {
    return usual()
  } catch (cause) {
    if (cause instanceof RangeError) return otherwise()
    throw cause
  }
}

/** Whether a value is a JSON object. */
export const isDictionary = (value: unknown): value is Dictionary =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const rawJson = (JSON as unknown as { readonly rawJSON: (text: string) => unknown }).rawJSON

/** What writes an integer into JSON with all of its digits. */
export const exactInteger = (value: bigint): unknown => rawJson(String(value))

/** What is left of a value that nests deeper than can be written. */
const deepest = 100

/** Whether anything in a value lies so many levels deep. */
export const isDeeperThan = (value: unknown, levels: number): boolean =>
  typeof value === 'object' &&
  value !== null &&
  (levels === 0 || Object.values(value).some((part) => isDeeperThan(part, levels - 1)))

const cutBelow = (value: unknown, levels: number): unknown => {
  if (typeof value !== 'object' || value === null) return value
  if (levels === 0) return '…'
  if (Array.isArray(value)) return value.map((item: unknown) => cutBelow(item, levels - 1))
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, cutBelow(part, levels - 1)]))
}

/** Writes JSON; of a value that nests thousands deep the first hundred levels, and `…` for what lies below. */
export const jsonText = (value: unknown, replacer: (key: string, part: unknown) => unknown): string =>
  unlessTooDeep(
    () => JSON.stringify(value, replacer),
    () => JSON.stringify(cutBelow(value, deepest), replacer),
  )

/** The same with every digit of integers that were read exactly. */
export const exactJson = (value: unknown): string =>
  jsonText(value, (_key, part) => (typeof part === 'bigint' ? exactInteger(part) : part))
