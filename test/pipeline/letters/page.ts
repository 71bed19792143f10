/** A page of ours, taken apart. */
export interface Page {
  /** Every tag in order, `br` left out; closing tags begin with `/`. */
  readonly tags: readonly string[]
  /** What a reader sees, one entry for each stretch between two tags other than `br`, white space collapsed. */
  readonly texts: readonly string[]
  /** Where links lead, in order. */
  readonly urls: readonly string[]
}

const TOKEN =
  /<!DOCTYPE html>|<!--\[if mso\]>.*?<!\[endif\]-->|<style>.*?<\/style>|<title>.*?<\/title>|<(?<closing>\/?)(?<name>[a-z][a-z0-9]*)(?<attributes>(?: [a-z-]+(?:="[^"<>]*")?)*)>|(?<text>[^<>]+)/gsy
const EMPTY_ELEMENTS: ReadonlySet<string> = new Set(['meta', 'br'])
const ENTITIES: Readonly<Record<string, string>> = {
  '&amp;': '&',
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&#39;': "'",
  '&#92;': '\\',
}

/** Takes a page of ours apart and throws at anything that we would never write: an unknown form, an open tag, a raw character. */
export function pageOf(html: string): Page {
  const tags: string[] = []
  const stretches: string[] = ['']
  const urls: string[] = []
  const open: string[] = []
  let at = 0
  while (at < html.length) {
    TOKEN.lastIndex = at
    const found = TOKEN.exec(html)
    if (found === null) throw new Error(`no markup of ours: ${html.slice(at, at + 80)}`)
    at = TOKEN.lastIndex
    const { closing, name, attributes = '', text } = found.groups ?? {}
    if (text !== undefined) stretches.push((stretches.pop() ?? '') + plain(text))
    if (name === undefined) continue
    if (name === 'br') {
      stretches.push(`${stretches.pop() ?? ''} `)
      continue
    }
    stretches.push('')
    tags.push((closing ?? '') + name)
    const href = / href="(?<url>[^"]*)"/.exec(attributes)?.groups?.['url']
    if (href !== undefined) urls.push(plain(href))
    if (EMPTY_ELEMENTS.has(name)) continue
    if (closing === '') open.push(name)
    else if (open.pop() !== name) throw new Error(`</${name}> closes nothing`)
  }
  if (open.length > 0) throw new Error(`<${open.join('>, <')}> left open`)
  return { tags, texts: stretches.map(collapsed).filter((text) => text !== ''), urls }
}

/** The text with its white space as a browser shows it. */
export function collapsed(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim()
}

function plain(text: string): string {
  const wrong = /["'\\]|&(?!amp;|lt;|gt;|quot;|#39;|#92;)|[^\P{Cc}\n]|\p{Cs}/u.exec(text)
  if (wrong !== null) throw new Error(`not escaped: ${JSON.stringify(wrong[0])} in ${text}`)
  return text.replaceAll(/&[^;]+;/g, (entity) => ENTITIES[entity] ?? entity)
}
