import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { batchLetter } from '../../../pipeline/letters/batch-letter.ts'
import { LARGEST_HTML, renderLetter } from '../../../pipeline/letters/fit.ts'
import type { Letter, Table } from '../../../pipeline/letters/letter.ts'
import type { HuntFacts, Notice } from '../../../schemas/generated.ts'
import { manyNotices } from './letters.ts'
import { CONTEXT, type Difference, noticeWith, T } from './notices.ts'
import { collapsed, pageOf } from './page.ts'

const failed = { state: 'ERROR', status: 'boom' }
const written = (...differences: readonly Difference[]): Letter => batchLetter(differences.map(noticeWith), CONTEXT)
const tableOf = ({ sections }: Letter, at: number): Table => {
  const body = sections[at]?.body
  if (body?.kind !== 'table') throw new Error('no table')
  return body
}
const textOf = (cell: Table['rows'][number][number]): string => (typeof cell === 'string' ? cell : cell.text)
const rowsOf = (letter: Letter, at: number): readonly (readonly string[])[] =>
  tableOf(letter, at).rows.map((cells) => cells.map(textOf))
const groups = (letter: Letter): readonly (readonly string[])[] => rowsOf(letter, 0)
const listed = (letter: Letter): readonly (readonly string[])[] => rowsOf(letter, 1)
const on = (client: string): Difference => ({ client: { id: client, fqdn: `${client}.example.org` } })
const hunt: HuntFacts = { id: 'H.1', known: true, description: 'Look\neverywhere', tags: [] }

describe('the subject of a batch letter', () => {
  it.each([
    [[{}, {}], '2 collections finished: Linux.Search.FileFinder'],
    [[{ flow: failed }, { flow: failed }], '2 collections FAILED: Linux.Search.FileFinder'],
    [[{}, { flow: failed }, {}], '3 collections, 1 FAILED: Linux.Search.FileFinder'],
    [
      [{}, {}, { flow: { ...failed, artifacts: ['A.B', 'C.D'] } }, { flow: { artifacts: ['E.F'] } }],
      '4 collections, 1 FAILED: A.B (+ 1 more) (+ 2 more)',
    ],
    [[{ hunt }, { hunt }], '2 collections finished: hunt Look everywhere'],
  ] satisfies readonly (readonly [readonly Difference[], string])[])(
    'says how many and how many failed: %#',
    (given, subject) => {
      expect(written(...given).subject).toBe(subject)
    },
  )

  it('stays short whatever a hunt is called', () => {
    expect(written({ hunt: { ...hunt, description: 'x'.repeat(5000) } }, {}).subject.length).toBeLessThan(160)
  })
})

describe('a batch letter', () => {
  it('is bad news when one failed', () => {
    expect([written({}, {}).ok, written({}, { flow: failed }).ok]).toEqual([true, false])
    expect(renderLetter(written({}, { flow: failed })).html).toContain('#DF0B0B')
    expect(renderLetter(written({}, {})).html).toContain('#4CAF50')
  })

  it('sums up: clients, times, rows and files', () => {
    const more = { flow: { total_rows: 4, uploaded_files: 2, uploaded_bytes: 1500 } }
    const late: Difference = { ...on('C.2'), flow: failed, event: { completed_at: T + 30_000 } }
    expect(written(more, more, late).summary).toBe(
      '3 collections on 2 clients completed between 2026-04-22T14:42:57Z (30 seconds ago) and ' +
        '2026-04-22T14:43:27Z (now): 1 FAILED, 2 finished. They returned 8 row(s). 4 file(s) were uploaded, totalling 3.0 kB.',
    )
  })

  it('says how many came late, and that results are not part of it', () => {
    const options = { attachments: [{ source: '.', columns: '', most_rows: 0 }] }
    const { summary } = written({ event: { origin: 'history' } }, { event: { origin: 'sweep' } }, { options })
    expect(summary).toContain('2 of them came to the relay late')
    expect(summary).toContain('Results are not part of a letter about several collections')
    expect(written({}, {}).summary).not.toMatch(/late|Results/)
  })

  it('lists failures first, then the latest first, each with its links', () => {
    const letter = written(
      { ...on('early'), event: { completed_at: T + 10_000 } },
      { ...on('failed'), flow: { ...failed, id: 'F.BAD' }, event: { completed_at: T + 5_000 } },
      on('latest'),
    )
    expect(listed(letter).map(([state, client]) => `${state} ${client}`)).toEqual([
      'FAILED: boom\n2026-04-22T14:42:32Z (55 seconds ago) failed.example.org',
      'finished, 0 row(s)\n2026-04-22T14:43:27Z (now) latest.example.org',
      'finished, 0 row(s)\n2026-04-22T14:42:37Z (50 seconds ago) early.example.org',
    ])
    const urls = tableOf(letter, 1).rows[0]?.flatMap((cell) => (typeof cell === 'string' ? [] : [cell.url]))
    expect(urls).toEqual([
      'https://velociraptor.example.org/app/index.html?org_id=root#/host/failed',
      'https://velociraptor.example.org/app/index.html?org_id=root#/collected/failed/F.BAD/logs',
    ])
  })

  it('names the limit that cancelled a flow', () => {
    const queries = [{ status: 'GENERIC_ERROR', error: 'Row count exceeded limit', rows: 0, uploads: 0 }]
    expect(listed(written({ flow: { state: 'ERROR', status: 'Cancelled', queries } }, {}))[0]?.[0]).toMatch(
      /^FAILED: Row count exceeded limit\n/,
    )
  })

  it('groups by hunt, else by what was requested, the group with the most failures first', () => {
    const letter = written(
      { ...on('C.1'), flow: { total_rows: 3 } },
      { ...on('C.1'), flow: { total_rows: 4 } },
      { ...on('C.2'), hunt },
      { ...on('C.3'), hunt, flow: failed },
      { ...on('C.4'), hunt, flow: failed },
    )
    expect(groups(letter)).toEqual([
      ['Hunt: Look everywhere', '2 FAILED, 1 finished on 3 clients'],
      ['Linux.Search.FileFinder', '2 finished on 1 client'],
    ])
    const [huntCell, artifactCell] = tableOf(letter, 0).rows.map(([cell]) => cell)
    expect(huntCell).toMatchObject({ url: expect.stringContaining('#/hunts/H.1/overview') as string })
    expect(artifactCell).toMatchObject({
      url: expect.stringContaining('#/artifacts/Linux.Search.FileFinder') as string,
    })
  })

  it('keeps organisations apart, and names them where there are several', () => {
    const lab: Difference = { event: { org: 'O1', org_name: 'Lab' } }
    const letter = written({}, lab)
    expect(groups(letter).map(([what]) => what)).toEqual([
      'Linux.Search.FileFinder\n<root>',
      'Linux.Search.FileFinder\nLab',
    ])
    expect(letter.summary).toContain('on 2 clients')
    expect(renderLetter(letter).html).toContain('org_id=O1')
    expect(listed(written({}, {}))[0]?.[1]).toBe('host1.example.org')
    expect(listed(written(lab, lab))[0]?.[1]).toBe('host1.example.org\nLab')
  })

  it('leads to the hunt when there is one alone, else to the server', () => {
    expect(written({ hunt }, { hunt }).more.url).toContain('#/hunts/H.1/overview')
    expect(written({ hunt }, {}).more).toMatchObject({ url: 'https://velociraptor.example.org/app/index.html' })
  })

  it('of 500 events fits what mail programs show, says how many it lists, and lists every failure that it can', () => {
    const letter = batchLetter(manyNotices(500), { ...CONTEXT, now: T + 600_000 })
    const { html, text } = renderLetter(letter)
    expect(Buffer.byteLength(html)).toBeLessThanOrEqual(LARGEST_HTML)
    expect(letter.subject).toMatch(/^500 collections, 71 FAILED: /)
    const shown = /\(Showing (\d+) of 500 rows\)/.exec(text)
    expect(Number(shown?.[1])).toBeGreaterThanOrEqual(50)
    expect(missing(html, text)).toEqual([])
    const states = listed(letter).map(([state]) => state?.slice(0, 6))
    expect(states.slice(0, 71).every((state) => state === 'FAILED')).toBe(true)
  })

  it('is written of flows alone', () => {
    const about: Notice = { ...noticeWith(), flow: null }
    expect(() => batchLetter([about, about], CONTEXT)).toThrow(TypeError)
    expect(() => batchLetter([], CONTEXT)).toThrow(TypeError)
  })
})

const missing = (html: string, text: string): readonly string[] => {
  const said = collapsed(text)
  const { texts, urls } = pageOf(html)
  return [...texts, ...urls].filter((fact) => !said.includes(fact))
}

describe('a batch letter full of hostile texts', () => {
  const parts = [
    '<b>',
    '"\'',
    '\\',
    '\n',
    '\r\n  - x: y',
    '\u202e',
    '\u001b[2J',
    '\u0000',
    '😀',
    '&amp;',
    '\ud800',
    '</td></tr>',
    ' ',
    '%2F#?',
  ]
  const hostile = fc.array(fc.constantFrom(...parts), { minLength: 1, maxLength: 8 }).map((some) => `x${some.join('')}`)
  const letterWith = (foreign: readonly string[]): Letter => {
    let at = 0
    const next = (): string => foreign[at++ % foreign.length] ?? ''
    const one = (): Difference => ({
      client: { id: next(), fqdn: next() },
      flow: { id: next(), artifacts: [next(), next()], state: 'ERROR', status: next() },
      event: { org: 'O1', org_name: next() },
      notice: { monitor: next(), artifact: next() },
    })
    return written(one(), { ...one(), hunt: { id: next(), known: true, description: next(), tags: [] } })
  }
  const given = fc.array(hostile, { minLength: 20, maxLength: 20 })
  const plain = pageOf(renderLetter(letterWith(['x'])).html).tags

  it('has exactly the elements of one with plain texts, states the same in both forms, and leads only to the server', () => {
    fc.assert(
      fc.property(given, (foreign) => {
        const letter = letterWith(foreign)
        const { html, text } = renderLetter(letter)
        const { tags, urls } = pageOf(html)
        expect(tags).toEqual(plain)
        expect(missing(html, text)).toEqual([])
        expect(html + text).not.toMatch(/[^\P{Cc}\n]|[\p{Cs}\u202e]/u)
        expect(letter.subject).not.toMatch(/[\p{Cc}\p{Cs}\u2028\u2029\u202e]/u)
        for (const url of urls) expect(url).toMatch(/^https:\/\/velociraptor\.example\.org\/app\/index\.html/)
      }),
    )
  })

  it('of 500 events fits all the same', () => {
    const evil = '\u202e'.repeat(3000)
    const notices = Array.from({ length: 500 }, (_, n) =>
      noticeWith({
        client: { id: `C${n}`, fqdn: evil },
        flow: { id: `F${n}`, artifacts: [`${n}${evil}`], ...failed, status: evil },
      }),
    )
    expect(Buffer.byteLength(renderLetter(batchLetter(notices, CONTEXT)).html)).toBeLessThanOrEqual(LARGEST_HTML)
  })
})
