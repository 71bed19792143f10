import { describe, expect, it } from 'vitest'
import type { FlowArgument, FlowFacts } from '../../../schemas/generated.ts'
import { renderLetter } from '../../../pipeline/letters/fit.ts'
import { errorOf } from '../../../pipeline/letters/details.ts'
import { flowLetter } from '../../../pipeline/letters/flow-letter.ts'
import type { LetterContext } from '../../../pipeline/letters/flow-letter.ts'
import type { Letter, Table, Value } from '../../../pipeline/letters/letter.ts'
import { CONTEXT, T, noticeWith, resultTable, uploadRows } from './notices.ts'
import type { Difference } from './notices.ts'

const GUI = 'https://velociraptor.example.org/app/index.html?org_id=root#'

function letterWith(difference: Difference = {}, context: Partial<LetterContext> = {}): Letter {
  return flowLetter(noticeWith(difference), { ...CONTEXT, ...context })
}

function rowsOf(letter: Letter, heading: string): readonly (readonly [name: string, value: Value])[] {
  const body = letter.sections.find((section) => section.heading === heading)?.body
  return body?.kind === 'rows' ? body.rows.map(({ name, value }) => [name, value] as const) : []
}

function rowOf(letter: Letter, name: string): Value | undefined {
  return [...rowsOf(letter, 'Client details'), ...rowsOf(letter, 'Flow details')].find(([row]) => row === name)?.[1]
}

function tableOf(letter: Letter, heading: string): Table {
  const body = letter.sections.find((section) => section.heading === heading)?.body
  if (body?.kind !== 'table') throw new Error(`no table ${heading}`)
  return body
}

function headingsOf(letter: Letter): readonly string[] {
  return letter.sections.map(({ heading }) => heading)
}

function argument(artifact: string, name: string, value: string, redacted = false): FlowArgument {
  return { artifact, name, value, redacted }
}

describe('subject, title and summary', () => {
  it('RD-01 names client and artifact in the subject', () => {
    expect(letterWith().subject).toBe('host1.example.org finished collecting Linux.Search.FileFinder')
  })

  it('RD-02 counts further artifacts in the subject and lists them in the summary', () => {
    const letter = letterWith({ flow: { artifacts: ['A.B', 'C.D', 'E.F'] } })
    expect(letter.subject).toBe('host1.example.org finished collecting A.B (+ 2 more)')
    expect(letter.summary).toContain('has finished collecting A.B, C.D, E.F. It took')
  })

  it('RD-03 tells a failure of a client without a name in red', () => {
    const letter = letterWith({ client: { fqdn: '' }, flow: { state: 'ERROR', artifacts: ['A.B'] } })
    const { html } = renderLetter(letter)
    expect(letter.subject).toBe('Client FAILED to collect A.B')
    expect(letter.title).toBe('Client collection FAILED')
    expect(letter.summary).toContain('Client C.1111111111111111 (n/a) has FAILED to collect A.B.')
    expect(html).toContain('bgcolor="#DF0B0B"')
    expect(html).not.toContain('#4CAF50')
  })

  it('RD-04 sums up an ordinary flow under a green banner', () => {
    const letter = letterWith()
    const { html } = renderLetter(letter)
    expect(letter.title).toBe('Client collection finished')
    expect(letter.summary).toBe(
      'Client C.1111111111111111 (host1.example.org) has finished collecting Linux.Search.FileFinder. ' +
        'It took 2.5 s and returned 0 row(s). 0 file(s) were uploaded, totalling 0 B.',
    )
    expect(html).toContain('bgcolor="#4CAF50"')
    expect(html).not.toContain('#DF0B0B')
  })

  it.each(['RUNNING', 'IN_PROGRESS', 'UNRESPONSIVE', ''])('tells a flow that stayed %j as failed', (state) => {
    expect(letterWith({ flow: { state } }).ok).toBe(false)
  })

  it('says n/a in the sentence for a duration that is not known, and leaves its row out', () => {
    const letter = letterWith({ flow: { duration_ns: 0 } })
    expect(letter.summary).toContain('It took n/a and returned')
    expect(rowOf(letter, 'Duration')).toBeUndefined()
  })

  it('says n/a for a request that is gone', () => {
    const letter = letterWith({ flow: { artifacts: [] } })
    expect(letter.subject).toBe('host1.example.org finished collecting n/a')
    expect(rowOf(letter, 'Requested')).toBeUndefined()
  })

  it.each([
    ['live', T + 60_000, T + 60_000 + 5 * 60_000, ''],
    ['live', T, T + 5 * 60_000 + 1, ' It happened 5 minutes ago; word of it came late.'],
    ['history', T, T + 3 * 3_600_000, ' It happened 3 hours ago, while the relay was away.'],
    ['history', T, T, ' It happened while the relay was away.'],
    ['sweep', T, T + 60_000, ' It happened 1 minute ago; the server sent no event for it.'],
    ['sweep', 0, T + 60_000, ' The server sent no event for it.'],
    ['repair', T, T + 12 * 60_000, ' It happened 12 minutes ago; it was missing in the event stream.'],
    ['repair', 0, T, ' It was missing in the event stream.'],
  ] as const)('says how late it is: %s, completed %d, told %d', (origin, completed_at, now, sentence) => {
    const { summary } = letterWith({ event: { origin, completed_at }, notice: { noticed_at: now } }, { now })
    expect(summary.slice(summary.indexOf('0 B.') + 4)).toBe(sentence)
  })

  it('adds what could not be looked up to the summary', () => {
    const { summary } = letterWith({}, { remarks: ['The flow was deleted before its results were read.'] })
    expect(summary).toMatch(/totalling 0 B\. The flow was deleted before its results were read\.$/)
  })

  it('names the artifact and the monitor at its foot', () => {
    const { text } = renderLetter(letterWith())
    expect(text.trimEnd().split('\n').at(-1)).toBe(
      `Sent from Velociraptor by Server.Monitor.FlowCompletion (${GUI}/artifacts/Server.Monitor.FlowCompletion), monitor my-collections`,
    )
  })
})

describe('client and flow details', () => {
  it('lists the rows of an ordinary flow in order', () => {
    const letter = letterWith({
      client: { labels: ['prod'] },
      flow: {
        arguments: [argument('Linux.Search.FileFinder', 'Glob', '/etc/*')],
        sources_with_results: ['Linux.Search.FileFinder'],
        status: 'Cannot open\n',
        urgent: true,
        total_rows: 3,
        uploaded_files: 2,
        uploaded_bytes: 87_000,
      },
    })
    expect(rowsOf(letter, 'Client details').map(([name]) => name)).toEqual(
      ['ID', 'FQDN', 'System', 'OS', 'Architecture', 'Labels'], //
    )
    expect(rowsOf(letter, 'Flow details')).toEqual([
      [
        'Flow',
        { kind: 'link', text: 'F.D7KDSKSILR3TG', url: `${GUI}/collected/C.1111111111111111/F.D7KDSKSILR3TG/logs` },
      ],
      ['Collection created', '2026-04-22T14:42:27Z (1 minute ago)'],
      ['Collection started', '2026-04-22T14:43:17Z (10 seconds ago)'],
      ['Collection finished', '2026-04-22T14:43:27Z (now)'],
      ['Duration', '2.5 s'],
      ['Creator', 'analyst1'],
      [
        'Requested',
        {
          kind: 'list',
          items: [{ kind: 'link', text: 'Linux.Search.FileFinder', url: `${GUI}/artifacts/Linux.Search.FileFinder` }],
          total: 1,
        },
      ],
      ['Arguments', { kind: 'nested', rows: [{ name: 'Glob', text: '/etc/*' }], total: 1 }],
      ['With results', { kind: 'list', items: ['Linux.Search.FileFinder'], total: 1 }],
      ['Error', 'Cannot open'],
      ['Urgent', 'true'],
      ['Collected rows', '3'],
      ['Uploaded files', '2'],
      ['Uploaded bytes', '87 kB'],
    ])
  })

  it('RD-08 drops the fraction of a time from its text only', () => {
    const letter = letterWith({ flow: { created_at: T + 900 } }, { now: T + 1_400 })
    expect(rowOf(letter, 'Collection created')).toBe('2026-04-22T14:42:27Z (now)')
  })

  it.each([0, null])('RD-09 has no start row for a flow that never started (%s)', (started_at) => {
    expect(rowOf(letterWith({ flow: { started_at } }), 'Collection started')).toBeUndefined()
  })

  it('says (never) for a creation time that the server does not have', () => {
    expect(rowOf(letterWith({ flow: { created_at: null } }), 'Collection created')).toBe('(never)')
  })

  it('RD-10 keeps empty rows when told to', () => {
    const letter = letterWith({
      flow: { started_at: 0, duration_ns: 0 },
      options: { keep_empty_rows: true, client_metadata: [{ field: 'serial', alias: '' }] },
    })
    expect(rowOf(letter, 'Collection started')).toBe('')
    expect(rowOf(letter, 'Urgent')).toBe('false')
    expect(rowOf(letter, 'serial')).toBe('')
    const { text } = renderLetter(letter)
    expect(text.split('\n')).toEqual(
      expect.arrayContaining([
        'Organisation:',
        'New client: false',
        'Labels:',
        'serial:',
        'Collection started:',
        'Duration:',
        'Arguments:',
        'With results:',
        'Error:',
        'Urgent: false',
        'Hunt:',
        'Collected rows: 0',
        'Uploaded files: 0',
        'Uploaded bytes: 0',
      ]),
    )
    expect(text).not.toContain('Null')
  })

  it('RD-11 shows one artifact as a link and two as a list of links', () => {
    const one = renderLetter(letterWith())
    const two = renderLetter(letterWith({ flow: { artifacts: ['A.B', 'C.D'] } }))
    expect(one.html).not.toContain('<ul')
    expect(one.text).toContain(`\nRequested: Linux.Search.FileFinder (${GUI}/artifacts/Linux.Search.FileFinder)\n`)
    expect(two.html).toContain(
      `<li><a href="${GUI}/artifacts/A.B">A.B</a></li><li><a href="${GUI}/artifacts/C.D">C.D</a></li></ul>`,
    )
    expect(two.text).toContain(`\nRequested:\n  - A.B (${GUI}/artifacts/A.B)\n  - C.D (${GUI}/artifacts/C.D)\n`)
  })

  it('RD-12 shows the bare names of the arguments of a single spec', () => {
    const letter = letterWith({ flow: { arguments: [argument('Linux.Search.FileFinder', 'Glob', '/etc/*')] } })
    expect(rowOf(letter, 'Arguments')).toEqual({ kind: 'nested', rows: [{ name: 'Glob', text: '/etc/*' }], total: 1 })
    expect(renderLetter(letter).text).toContain('\nArguments:\n  - Glob: /etc/*\n')
  })

  it('RD-13 names the artifact of each argument when there are two specs', () => {
    const flow = { specs: 2, arguments: [argument('A.B', 'X', '1'), argument('C.D', 'Y', '2')] }
    expect(renderLetter(letterWith({ flow })).text).toContain('\nArguments:\n  - A.B/X: 1\n  - C.D/Y: 2\n')
  })

  it('RD-15 leaves out an empty argument unless empty rows are kept', () => {
    const flow = { arguments: [argument('A.B', 'X', '')] }
    expect(rowOf(letterWith({ flow }), 'Arguments')).toBeUndefined()
    expect(rowOf(letterWith({ flow, options: { keep_empty_rows: true } }), 'Arguments')).toEqual({
      kind: 'nested',
      rows: [{ name: 'X', text: '' }],
      total: 1,
    })
  })

  it('cuts an argument after 100 characters', () => {
    const flow = { arguments: [argument('A.B', 'X', 'é'.repeat(101))] }
    expect(renderLetter(letterWith({ flow })).text).toContain(`  - X: ${'é'.repeat(100)}…\n`)
  })

  it('RD-29 shows markup in a name as it is written', () => {
    const { html, text } = renderLetter(letterWith({ client: { fqdn: '<b>x</b>' } }))
    expect(html).toContain('<td style="border:1px solid #ddd;padding:12px">&lt;b&gt;x&lt;/b&gt;</td>')
    expect(html).not.toContain('<b>')
    expect(text).toContain('\nFQDN: <b>x</b>\n')
  })

  it('RD-32 puts metadata under their aliases after the labels', () => {
    const letter = letterWith({
      client: { labels: ['prod'], metadata: [{ field: 'owner', value: 'ops' }, { field: 'serial', value: 'PF1' }] }, // prettier-ignore
      options: {
        client_metadata: [
          { field: 'serial', alias: 'Computer serial' },
          { field: 'owner', alias: '' },
          { field: 'none', alias: 'None' },
        ],
      },
    })
    expect(rowsOf(letter, 'Client details').slice(-3)).toEqual([
      ['Labels', { kind: 'list', items: ['prod'], total: 1 }],
      ['Computer serial', 'PF1'],
      ['owner', 'ops'],
    ])
  })

  it('RD-33 shows one label bare, several as a list, none not at all', () => {
    const textOf = (labels: readonly string[]): string => renderLetter(letterWith({ client: { labels } })).text
    expect(textOf(['prod'])).toContain('\nLabels: prod\n')
    expect(textOf(['a', 'b'])).toContain('\nLabels:\n  - a\n  - b\n')
    expect(textOf([])).not.toContain('Labels')
  })

  it('RD-34 says of a new client that it is new', () => {
    expect(rowOf(letterWith({ options: { new_client: true } }), 'New client')).toBe('true')
    expect(rowOf(letterWith(), 'New client')).toBeUndefined()
  })

  it('RD-35 links the hunt with its description cut after 300 characters', () => {
    const hunt = { id: 'H.1', known: true, description: 'd'.repeat(350), tags: [] }
    expect(rowOf(letterWith({ hunt }), 'Hunt')).toEqual({
      kind: 'link',
      text: `${'d'.repeat(300)}…`,
      url: `${GUI}/hunts/H.1/overview`,
    })
  })

  it('shows the id of a hunt that is gone or has no description', () => {
    const hunt = { id: 'H.1', known: false, description: ' ', tags: [] }
    expect(rowOf(letterWith({ hunt }), 'Hunt')).toMatchObject({ text: 'H.1', url: `${GUI}/hunts/H.1/overview` })
  })

  it('RD-36 names an organisation other than root and leads into it', () => {
    const letter = letterWith({ event: { org: 'O123', org_name: 'Lab' } })
    const { html } = renderLetter(letter)
    expect(rowsOf(letter, 'Client details')[0]).toEqual(['Organisation', 'Lab'])
    expect(html).toContain('?org_id=O123#/host/')
    expect(html).not.toContain('org_id=root')
    expect(rowOf(letterWith(), 'Organisation')).toBeUndefined()
  })

  it('RD-41 never shows the value of a redacted parameter', () => {
    const flow = { arguments: [argument('A.B', 'Password', 'hunter2', true)] }
    const { html, text } = renderLetter(letterWith({ flow }))
    expect(text).toContain('  - Password: (redacted)\n')
    expect(html + text).not.toContain('hunter2')
  })
})

describe('uploads', () => {
  it('RD-16 shows 10 of 15 uploads and says so across the three columns', () => {
    const letter = letterWith({}, { uploads: { rows: uploadRows(15), total: 15, maxRows: 10 } })
    expect(tableOf(letter, 'Uploads').headings).toEqual(['File name', 'Size', 'URL'])
    expect(tableOf(letter, 'Uploads').rows).toHaveLength(10)
    const { html, text } = renderLetter(letter)
    expect(html).toMatch(/<td colspan="3" align="center"[^>]*>\(Showing 10 of 15 rows\)<\/td>/)
    expect(text).toContain('\n  (Showing 10 of 15 rows)\n')
  })

  it('RD-17 never shows more than 100 uploads', () => {
    const letter = letterWith({}, { uploads: { rows: uploadRows(150), total: 150, maxRows: 500 } })
    expect(tableOf(letter, 'Uploads').rows).toHaveLength(100)
    expect(tableOf(letter, 'Uploads').total).toBe(150)
  })

  it('RD-19 cuts a path to its last 50 characters and the link to its last 30', () => {
    const base = 'b'.repeat(40)
    const path = `/${'d'.repeat(38)}/${base}`
    const rows = [{ path, size: 1, components: ['clients', base], type: '' }]
    const [cells] = tableOf(letterWith({}, { uploads: { rows, total: 1, maxRows: 10 } }), 'Uploads').rows
    expect(path).toHaveLength(80)
    expect(cells?.[0]).toBe(`…${path.slice(-50)}`)
    expect(cells?.[2]).toMatchObject({ text: `…${'b'.repeat(30)}` })
  })

  it('RD-20 has neither uploads nor results in a letter that is text alone', () => {
    const context = { uploads: { rows: uploadRows(1), total: 1, maxRows: 10 }, results: [resultTable(2, 2)] }
    expect(headingsOf(letterWith({ options: { html: false } }, context))).toEqual(['Client details', 'Flow details'])
    expect(headingsOf(letterWith({}, context))).toEqual([
      'Client details',
      'Flow details',
      'Uploads',
      'Linux.Sys.Users results',
    ])
  })

  it('does not list the index of a sparse file', () => {
    const [file] = uploadRows(1)
    if (file === undefined) throw new Error('no file')
    const rows = [file, { ...file, path: '/srv/file-1.idx', type: 'idx' }]
    const table = tableOf(letterWith({}, { uploads: { rows, total: 1, maxRows: 10 } }), 'Uploads')
    expect(table.rows).toHaveLength(1)
    expect(table.total).toBe(1)
  })

  it.each([0, -1])('has no table when %d rows are wanted', (maxRows) => {
    expect(headingsOf(letterWith({}, { uploads: { rows: uploadRows(1), total: 1, maxRows } }))).not.toContain('Uploads')
  })

  it('leads to the flow when a path is too long for a download link', () => {
    const rows = [{ path: '/x'.repeat(4_000), size: 1, components: ['x'.repeat(4_000)], type: '' }]
    const [cells] = tableOf(letterWith({}, { uploads: { rows, total: 1, maxRows: 10 } }), 'Uploads').rows
    expect(cells?.[2]).toMatchObject({ url: `${GUI}/collected/C.1111111111111111/F.D7KDSKSILR3TG/logs` })
  })
})

describe('results', () => {
  it('RD-21 shows a source with its four columns and nine rows', () => {
    const columns = ['Filesystem', 'Size', 'Avail', 'Use%']
    const row = { Filesystem: '/dev/sda1', Size: '20G', Avail: '4G', 'Use%': '80%', Mounted: '/' }
    const result = resultTable(0, 0, {
      source: 'Generic.Client.DiskSpace',
      columns,
      rows: Array.from({ length: 9 }, () => row),
      total: 9,
    })
    const letter = letterWith({}, { results: [result] })
    const table = tableOf(letter, 'Generic.Client.DiskSpace results')
    expect(table.headings).toEqual(columns)
    expect(table.moreColumns).toBe(false)
    expect(table.rows).toHaveLength(9)
    expect(table.rows[0]).toEqual(['/dev/sda1', '20G', '4G', '80%'])
    expect(renderLetter(letter).html).not.toContain('(Showing')
  })

  it('RD-22 shows 4 of 6 columns and 20 of 100 rows, and says both', () => {
    const letter = letterWith({}, { results: [resultTable(6, 100, { maxRows: 20 })] })
    const { html, text } = renderLetter(letter)
    const section = html.slice(html.indexOf('Linux.Sys.Users results'))
    expect(section.match(/<th [^>]*>[A-D]<\/th>/g)).toHaveLength(4)
    expect(section).toMatch(/<th [^>]*><\/th><\/tr>/)
    expect(section.match(/…/g)).toHaveLength(1)
    expect(section).toMatch(/<td rowspan="20" align="center"[^>]*>…<\/td><\/tr>/)
    expect(section).toMatch(/<td colspan="5" align="center"[^>]*>\(Showing 20 of 100 rows\)<\/td>/)
    expect(text).toContain('  - A: A1\n    B: B1\n    C: C1\n    D: D1\n    …\n  - A: A2\n')
    expect(text).toContain('\n  (Showing 20 of 100 rows)\n')
  })

  it.each([500, 0, -1])('RD-23 never shows more than 100 rows (%d wanted)', (maxRows) => {
    const letter = letterWith({}, { results: [resultTable(2, 300, { maxRows })] })
    expect(tableOf(letter, 'Linux.Sys.Users results').rows).toHaveLength(100)
    expect(renderLetter(letter).text).toContain('(Showing 100 of 300 rows)')
  })

  it('RD-26 shows the columns that were asked for and no others', () => {
    const result = resultTable(0, 0, { columns: ['Stdout'], rows: [{ Stdout: 'out', Stderr: 'err' }], total: 1 })
    const { html, text } = renderLetter(letterWith({}, { results: [result] }))
    expect(text).toContain('  - Stdout: out\n')
    expect(html + text).not.toMatch(/Stderr|err\b/)
  })

  it('RD-27 has no results section when no source was found', () => {
    expect(headingsOf(letterWith({}, { results: [] }))).toEqual(['Client details', 'Flow details'])
    expect(headingsOf(letterWith({}, { results: [resultTable(2, 0)] }))).toEqual(['Client details', 'Flow details'])
  })

  it('RD-30 shows markup, line breaks and backslashes of a cell as they are', () => {
    const result = resultTable(0, 0, { columns: ['A'], rows: [{ A: 'a<b\nc\\d' }], total: 1 })
    const { html, text } = renderLetter(letterWith({}, { results: [result] }))
    expect(html).toContain('>a&lt;b<br>c&#92;d</td>')
    expect(text).toContain('  - A: a<b\n        c\\d\n')
  })

  it('RD-31 cuts headings after 30 characters, not bytes', () => {
    const name = 'é'.repeat(31)
    const result = resultTable(0, 0, { columns: [name], rows: [{ [name]: 'x' }], total: 1 })
    expect(tableOf(letterWith({}, { results: [result] }), 'Linux.Sys.Users results').headings).toEqual([
      `${'é'.repeat(30)}…`,
    ])
  })

  it('shows columns whatever they are called, and nothing for a cell that a row does not have', () => {
    const columns = ['a.b', '__proto__', 'constructor', 'gone']
    const rows = [JSON.parse('{"a.b": 1, "__proto__": {"x": 2}, "gone": null}') as Record<string, unknown>]
    const table = tableOf(
      letterWith({}, { results: [resultTable(0, 0, { columns, rows })] }),
      'Linux.Sys.Users results',
    )
    expect(table.rows).toEqual([['1', '{"x":2}', '', '']])
  })

  it.each([
    [5, 'xxxxx…'],
    [0, `${'x'.repeat(10_000)}…`],
    [20_000, `${'x'.repeat(10_000)}…`],
  ])('cuts cells after %d characters, at most 10,000', (cellLimit, cell) => {
    const result = resultTable(0, 0, { columns: ['A'], rows: [{ A: 'x'.repeat(10_001) }], cellLimit })
    expect(tableOf(letterWith({}, { results: [result] }), 'Linux.Sys.Users results').rows).toEqual([[cell]])
  })

  it('shows every column without headings when no number of columns is set', () => {
    const letter = letterWith({}, { results: [resultTable(6, 1, { maxColumns: 0 })] })
    const { html, text } = renderLetter(letter)
    expect(html.slice(html.indexOf('Users results'))).not.toContain('<th')
    expect(text).toContain('  - A1\n    B1\n    C1\n    D1\n    E1\n    F1\n')
  })
})

describe('attachments', () => {
  it('RD-39 lists what was not attached with its size and where it is', () => {
    const omitted = [
      { name: 'A.B.jsonl', size: 943_718, why: 'too large' },
      { name: 'C.D.jsonl', size: null, why: 'unreadable' },
    ] as const
    const letter = letterWith({ options: { html: false } }, { omitted })
    expect(tableOf(letter, 'Attachments').rows).toEqual([
      ['A.B.jsonl', '944 kB', 'it exceeds the size limit'],
      ['C.D.jsonl', 'n/a', 'it could not be read'],
    ])
    expect(renderLetter(letter).text).toContain(
      `\n\nAttachments\nThese results are not attached; they can be downloaded from the flow: F.D7KDSKSILR3TG (${GUI}/collected/C.1111111111111111/F.D7KDSKSILR3TG/logs)\n  - File name: A.B.jsonl\n    Size: 944 kB\n`,
    )
    expect(headingsOf(letterWith())).not.toContain('Attachments')
  })
})

describe('errorOf', () => {
  const { flow } = noticeWith()
  const clean = flow?.flow
  if (clean === undefined) throw new Error('no flow')
  const query = (status: string, error: string): FlowFacts['queries'][number] => ({
    status,
    error,
    rows: 0,
    uploads: 0,
  })

  it.each([
    ['', [], ''],
    ['Cannot open\n', [], 'Cannot open'],
    ['Cancelled by analyst1', [query('GENERIC_ERROR', 'other')], 'Cancelled by analyst1'],
    ['Cancelled', [query('GENERIC_ERROR', 'Cancelled'), query('GENERIC_ERROR', 'Cancelled by x')], 'Cancelled'],
    ['Cancelled', [query('GENERIC_ERROR', 'Cancelled'), query('GENERIC_ERROR', 'Rows exceeded\n')], 'Rows exceeded'],
    ['cancelled', [query('GENERIC_ERROR', ' cancelled'), query('GENERIC_ERROR', 'Rows exceeded')], 'Rows exceeded'],
    ['Cancelled\n', [query('OK', 'noise'), query('GENERIC_ERROR', ' \n')], 'Cancelled'],
  ])('tells of %j with queries %j: %j', (status, queries, error) => {
    expect(errorOf({ ...clean, status, queries })).toBe(error)
  })
})

describe('a notice of something else', () => {
  it('is refused', () => {
    const empty = noticeWith({ notice: { flow: null, flow_letter: null } })
    expect(() => flowLetter(empty, CONTEXT)).toThrow(TypeError)
  })
})
