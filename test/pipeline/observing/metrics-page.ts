/** A metric as its page describes it. */
export interface Family {
  readonly name: string
  readonly type: string
  readonly help: string
}

export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** The metrics that a page describes. */
export const familiesOf = (page: string): readonly Family[] =>
  [...page.matchAll(/^# HELP (\S+) (.*)\n# TYPE \1 (\S+)$/gm)].map(([, name = '', help = '', type = '']) => ({
    name,
    help,
    type,
  }))

/** The values on a page. */
export const samplesOf = (page: string): readonly Sample[] =>
  [...page.matchAll(/^([a-z][\w]*)(?:\{(.*)\})? (\S+)$/gm)].map(([, name = '', labels = '', value = '']) => ({
    name,
    labels: Object.fromEntries([...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, key = '', of = '']) => [key, of])),
    value: Number(value),
  }))

/** The metrics that a text documents, in table rows that begin with their names. */
export const documented = (text: string): readonly string[] =>
  [...text.matchAll(/^\| `(relay_\w+)`/gm)].map(([, name = '']) => name)
