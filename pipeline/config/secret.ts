import { inspect } from 'node:util'

/** A text that must not be seen: printed, logged or serialised it shows as `•••`. */
export interface Secret {
  reveal(): string
  toString(): string
  toJSON(): string
}

const hidden = '•••'

/** Wraps a text so that only `reveal` gives it back. */
export const secretOf = (text: string): Secret => {
  const mask = (): string => hidden
  return Object.freeze({ reveal: () => text, toString: mask, toJSON: mask, [inspect.custom]: mask })
}
