import { printable } from './problem.ts'

const plain = /^(?:[A-Za-z/]|\.{1,2}\/)[\w./@+-]*(?::\/\/[\w./@:+-]*)?$/
/** Plain words that YAML reads as something else than text. */
const words = /^(?:true|false|null|\.inf|\.nan)$/i

/**
 * A text as a YAML scalar on one line, also inside brackets: plain where that is safe, else in quotes. What could steer a terminal or
 * look like other text is written as an escape.
 */
export const yamlText = (text: string): string => {
  if (plain.test(text) && !words.test(text) && !text.endsWith(':')) return text
  if (text !== '' && printable(text) === text && text.isWellFormed()) return `'${text.replaceAll("'", "''")}'`
  return printable(JSON.stringify(text))
}
