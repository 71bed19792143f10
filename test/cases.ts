/**
 * Writes the table of the golden cases into test/README.md: each with the tests whose names begin with its id, in `*.test.ts` and in
 * scenarios. `--check` writes nothing and fails when the table is out of date; both fail when a case has no test.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'

const ids = (prefix: string, numbers: string): readonly string[] =>
  numbers.split(' ').map((number) => `${prefix}-${number}`)

/** The cases of flow completions and alerts; the numbers have gaps. */
const cases: readonly string[] = [
  ...ids('RX', '01 02 03 05 06 07 08 09 10 11'),
  ...ids('FC', '01 03 04 05 07 10 11 12 13 15 16 17 18 19 20 21 22 23 24 25 27 28 30 32 33 34 35 36 37 38'),
  ...ids('FC', '40 41 42 43 44 45 46 47 50 51 52 53 54 55 56 57 58 59 60 61 62 63 64 65 66 67 68 69 70'),
  ...ids('RC', '01 02 03 04 05 06 07 08 09 11 12 13 14 16'),
  ...ids('RD', '01 02 03 04 06 07 08 09 10 11 12 13 15 16 17 19 20 21 22 23 26 27 29 30 31 32 33 34 35 36 37 38 39 41'),
  ...ids('MT', '01 02 03 04 05 07 08 09'),
  ...ids('AL', '01 03 04 05 06 07 08 10 11 12 13 14 15 16'),
  ...ids('SV', '01 02 03 04 05 06 07 08 09 10 11 12 13 14 15'),
  ...ids('EM', '01 02 03 04 05 06 07 08 09 11 12 13 14 15 16 17 18 19 20 21 22'),
  ...ids('UM', '01 02 03 04 05 06 07 08'),
  ...ids('CX', '01 02 03 04 05 06 07 08 09 11 12 13 14 15 16 17 18 21 22 23 24 25'),
]

const testDir = import.meta.dirname
const readme = join(testDir, 'README.md')

interface NamedTest {
  readonly file: string
  readonly name: string
}

// A name in a call of `it` or `test`, in a table of names, or after `name:` of a scenario: a text that begins with an id.
const named = /(['"`])((?:FC|RC|RX|RD|MT|AL|SV|CX|EM|UM)-\d\d(?![\d]).*?)\1\s*[,\]]/g
const scenario = /^name:\s*(['"]?)((?:FC|RC|RX|RD|MT|AL|SV|CX|EM|UM)-\d\d(?!\d).*?)\1\s*$/gm

const testsIn = (file: string): readonly NamedTest[] => {
  const text = readFileSync(file, 'utf8')
  return [...text.matchAll(file.endsWith('.yaml') ? scenario : named)].map((match) => ({
    file: relative(testDir, file),
    name: (match[2] ?? '').replaceAll(/\\(['"`])/g, '$1').replaceAll("''", "'"),
  }))
}

const files = readdirSync(testDir, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.test.ts') || (path.startsWith('scenarios') && path.endsWith('.yaml')))
  .toSorted()
  .map((path) => join(testDir, path))
const tests = files.flatMap(testsIn)

const provenBy = (id: string): readonly NamedTest[] => tests.filter(({ name }) => name.slice(0, id.length) === id)
const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;')
const shown = (id: string, { file, name }: NamedTest): string => {
  const rest = name.slice(id.length).replace(/^[a-z]?[:\s]+/, '')
  return `\`${file}\`${rest === '' ? '' : ` ${cell(rest)}`}`
}

const table = cases.map(
  (id) =>
    `| ${id} | ${
      provenBy(id)
        .map((test) => shown(id, test))
        .join('<br>') || '–'
    } |`,
)
const text = `<!-- Written by \`node test/cases.ts\`; do not edit. -->

# What is proven where

Each case of the behaviour page that concerns flow completions and alerts, and the tests that prove it: their names begin with its id.

| Case | Proven by |
| --- | --- |
${table.join('\n')}
`

const problems = cases.filter((id) => provenBy(id).length === 0).map((id) => `${id} has no test: name one after it`)
if (process.argv.includes('--check')) {
  const written = ((): string => {
    try {
      return readFileSync(readme, 'utf8')
    } catch {
      return ''
    }
  })()
  if (written !== text) problems.push('test/README.md is out of date: run node test/cases.ts')
} else writeFileSync(readme, text)
for (const problem of problems) console.error(problem)
process.exitCode = problems.length === 0 ? 0 : 1
