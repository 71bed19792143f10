import { setImmediate } from 'node:timers/promises'
import { Observable } from 'rxjs'
import { describe, expect, it } from 'vitest'
import { standInVelociraptor } from '../../../connectors/velociraptor/stand-in/in-process.ts'
import type { WorldDescription } from '../../../connectors/velociraptor/stand-in/world-description.ts'
import { createWorld, type StandInWorld } from '../../../connectors/velociraptor/stand-in/world.ts'
import type { QueryRequest, Velociraptor } from '../../../connectors/velociraptor/velociraptor.ts'
import { flowLetter } from '../../../pipeline/letters/flow-letter.ts'
import { renderLetter } from '../../../pipeline/letters/fit.ts'
import { type LetterFacts, lookUpLetterFacts } from '../../../pipeline/mailing/letter-facts.ts'
import { virtualClock } from '../../../pipeline/runtime/virtual-clock.ts'
import type { FlowLetterOptions, Notice } from '../../../schemas/generated.ts'
import { collapsed, pageOf } from '../letters/page.ts'
import { CONTEXT, noticeWith, T } from '../letters/notices.ts'
import { monitorWith } from '../monitors/flow-monitors.ts'

const client = 'C.1111111111111111'
const flow = 'F.D7KDSKSILR3TG'
const mebibyte = 1_048_576

interface Row {
  readonly [column: string]: unknown
}
const results = (artifact: string, rows: readonly Row[]) => ({ client_id: client, flow_id: flow, artifact, rows })
const rowsOf = (columns: number, count: number): readonly Row[] =>
  Array.from({ length: count }, (_, row) =>
    Object.fromEntries(Array.from({ length: columns }, (_unused, n) => [`Column${n}`, `${n}.${row}`])),
  )
const uploads = (count: number, more: Row = {}) => ({
  client_id: client,
  flow_id: flow,
  rows: Array.from({ length: count }, (_, n) => ({
    Upload: { Path: `/srv/file-${n}`, Components: ['clients', client, 'uploads', `file-${n}`] },
    uploaded_size: 1000 * n,
    ...more,
  })),
})

interface Asked {
  readonly facts: LetterFacts
  readonly notice: Notice
  readonly world: StandInWorld
  readonly queries: readonly QueryRequest[]
  /** Rows that came over the connection. */
  readonly rowsSent: () => number
}

interface Question {
  readonly world?: WorldDescription
  /** As relay.yaml has them. */
  readonly parameters?: Row
  readonly options?: Partial<FlowLetterOptions>
  readonly sources?: readonly string[]
  readonly uploaded?: number
  readonly mostAttachedBytes?: number
  readonly before?: (world: StandInWorld) => void
}

/** What the letter of a monitor with such parameters is given, from a stand-in server. */
const ask = async ({
  world: description = {},
  parameters = {},
  options,
  sources,
  uploaded = 0,
  mostAttachedBytes,
  before,
}: Question): Promise<Asked> => {
  const clock = virtualClock(T + 60_000)
  const world = createWorld({
    now: T,
    clients: [{ client_id: client }],
    flows: [{ client_id: client, session_id: flow }],
    ...description,
  })
  before?.(world)
  const server = standInVelociraptor(world, { clock })
  const queries: QueryRequest[] = []
  let sent = 0
  const watched: Velociraptor = {
    query(request) {
      queries.push(request)
      return new Observable((subscriber) =>
        server.query(request).subscribe({
          next(message) {
            if (message.kind === 'rows') sent += message.rows.length
            subscriber.next(message)
          },
          error: (cause: unknown) => subscriber.error(cause),
          complete: () => subscriber.complete(),
        }),
      )
    },
    close: () => server.close(),
  }
  const named = sources ?? (description.results ?? []).map(({ artifact }) => String(artifact))
  const base = noticeWith({ flow: { sources_with_results: named, uploaded_files: uploaded } })
  const content = base.flow === null ? {} : monitorWith(parameters).noticeOf(base.flow)
  const wanted = { ...base, ...content }
  const notice = { ...wanted, flow_letter: wanted.flow_letter === null ? null : { ...wanted.flow_letter, ...options } }
  let isDone = false
  const asking = lookUpLetterFacts(watched, notice, mostAttachedBytes).finally(() => (isDone = true))
  // Each answer comes in a call of the clock, and leads to the next question.
  while (!isDone) {
    const next = clock.next()
    if (next !== undefined) clock.advanceTo(next)
    await setImmediate()
  }
  return { facts: await asking, notice, world, queries, rowsSent: () => sent }
}

/** The page of what was found, as a reader sees it. */
const page = ({ facts, notice }: Asked): string => {
  const { html } = renderLetter(flowLetter(notice, { ...CONTEXT, ...facts }))
  return collapsed(pageOf(html).texts.join(' | '))
}
const filesOf = ({ attachments }: LetterFacts): readonly (readonly [string, string])[] =>
  attachments.map(({ name, content }) => [name, Buffer.from(content).toString()])

const tables = (...rows: readonly Row[]): Row => ({ IncludeResultTableFrom: rows })
const attached = (...rows: readonly Row[]): Row => ({ IncludeResultAttachmentFrom: rows })

describe('what a letter shows beside its notice', () => {
  it('is nothing when nothing is asked for, and the server is not asked', async () => {
    const { facts, queries } = await ask({ world: { results: [results('A', [{ a: 1 }])] } })
    expect([facts, queries]).toEqual([{ results: [], attachments: [], omitted: [], remarks: [] }, []])
  })

  it('is nothing for a notice without a flow', async () => {
    const server = standInVelociraptor(createWorld({}), { clock: virtualClock(0) })
    expect(await lookUpLetterFacts(server, { ...noticeWith(), flow: null })).toMatchObject({
      results: [],
      attachments: [],
    })
  })
})

describe('uploads', () => {
  it('RD-16 are 10 of 15, and the letter says so', async () => {
    const asked = await ask({ world: { uploads: [uploads(15)] }, uploaded: 15 })
    expect(asked.facts.uploads).toMatchObject({ total: 15, maxRows: 10 })
    expect(asked.facts.uploads?.rows).toHaveLength(10)
    expect(page(asked)).toContain('(Showing 10 of 15 rows)')
    expect(asked.rowsSent()).toBe(12)
  })

  it('RD-17 are 100 of 150 where 500 are asked for', async () => {
    const asked = await ask({
      world: { uploads: [uploads(150)] },
      uploaded: 150,
      parameters: { IncludeUploadsTableRows: 500 },
    })
    expect(asked.facts.uploads?.rows).toHaveLength(100)
    expect(page(asked)).toContain('(Showing 100 of 150 rows)')
  })

  it('RD-19 show the end of a long path and of its base name', async () => {
    const base = 'b'.repeat(40)
    const path = `/${'d'.repeat(38)}/${base}`
    const Upload = { Path: path, Components: ['clients', base] }
    const asked = await ask({ world: { uploads: [uploads(1, { Upload })] }, uploaded: 1 })
    expect(path).toHaveLength(80)
    expect(page(asked)).toContain(`…${path.slice(-50)} | 0 B | …${base.slice(-30)}`)
  })

  it('are counted without the indexes of sparse files', async () => {
    const rows = [...uploads(2).rows, { ...uploads(1).rows[0], Type: 'idx' }]
    const { facts } = await ask({ world: { uploads: [{ client_id: client, flow_id: flow, rows }] }, uploaded: 3 })
    expect([facts.uploads?.total, facts.uploads?.rows.length]).toEqual([2, 2])
  })

  it('without sizes or components are shown all the same', async () => {
    const rows = [{ client_path: '/only/path', uploaded_size: 'many' }]
    const asked = await ask({ world: { uploads: [{ client_id: client, flow_id: flow, rows }] }, uploaded: 1 })
    expect(asked.facts.uploads?.rows).toEqual([{ path: '/only/path', size: 0, components: [], type: '' }])
    expect(page(asked)).toContain('/only/path')
  })

  it.each([
    ['the letter has no HTML part', { HTML: false }],
    ['the table is off', { IncludeUploadsTableRows: 0 }],
  ])('are not asked for where %s', async (_, parameters) => {
    const { facts, queries } = await ask({ world: { uploads: [uploads(2)] }, uploaded: 2, parameters })
    expect([facts.uploads, queries]).toEqual([undefined, []])
  })
})

describe('result tables', () => {
  it('RD-20 are left out of a letter without an HTML part, as uploads are', async () => {
    const { facts, queries } = await ask({
      world: { results: [results('A', rowsOf(2, 3))], uploads: [uploads(2)] },
      uploaded: 2,
      parameters: { HTML: false, ...tables({ Source: '.+' }) },
    })
    expect([facts.results, facts.uploads, queries]).toEqual([[], undefined, []])
  })

  it('RD-21 have the chosen columns of the chosen source', async () => {
    const rows = rowsOf(1, 9).map((row) => ({
      ...row,
      Filesystem: '/dev/sda',
      Size: 1,
      Avail: 2,
      'Use%': 3,
      Mounted: '/',
    }))
    const asked = await ask({
      world: { results: [results('Generic.Client.DiskSpace', rows), results('Other', [{ x: 1 }])] },
      parameters: tables({ Source: 'DiskSpace$', Columns: 'Filesystem|Size|Avail|Use%' }),
    })
    expect(asked.facts.results).toMatchObject([
      { source: 'Generic.Client.DiskSpace', columns: ['Filesystem', 'Size', 'Avail', 'Use%'], total: 9 },
    ])
    expect(page(asked)).toContain('Generic.Client.DiskSpace results | Filesystem | Size | Avail | Use% | /dev/sda | 1')
    expect(page(asked)).not.toContain('Showing')
  })

  it('RD-22 of 6 columns and 100 rows show 4 and 20, and say so', async () => {
    const asked = await ask({
      world: { results: [results('A', rowsOf(6, 100))] },
      parameters: tables({ Source: '.+', MaxRows: 20 }),
    })
    expect(asked.facts.results[0]?.rows).toHaveLength(20)
    expect(page(asked)).toContain('…')
    expect(page(asked)).toContain('(Showing 20 of 100 rows)')
  })

  it('RD-23 of 300 rows show 100 where 500 are asked for', async () => {
    const asked = await ask({
      world: { results: [results('A', rowsOf(2, 300))] },
      parameters: tables({ Source: '.+', MaxRows: 500 }),
    })
    expect(page(asked)).toContain('(Showing 100 of 300 rows)')
    expect(asked.facts.results[0]).toMatchObject({ total: 300, maxRows: 100 })
  })

  it('RD-26 know columns in any case', async () => {
    const asked = await ask({
      world: { results: [results('A', [{ Stdout: 'out', Stderr: 'err' }])] },
      parameters: tables({ Source: '.+', Columns: 'STDOUT' }),
    })
    expect(asked.facts.results[0]?.columns).toEqual(['Stdout'])
    expect(page(asked)).not.toContain('err')
  })

  it('RD-27 are none where no source matches, and none is asked for', async () => {
    const { facts, queries } = await ask({
      world: { results: [results('A', rowsOf(2, 3))] },
      parameters: tables({ Source: '^Other' }),
    })
    expect([facts.results, facts.remarks, queries]).toEqual([[], [], []])
  })

  it('belong to the first row that names their source', async () => {
    const { facts } = await ask({
      world: { results: [results('A/S', rowsOf(2, 3)), results('B', rowsOf(1, 1))] },
      parameters: tables({ Source: '^b$' }, { Source: '.+', Columns: 'Column1' }),
    })
    expect(facts.results.map(({ source, columns }) => [source, columns])).toEqual([
      ['B', ['Column0']],
      ['A/S', ['Column1']],
    ])
  })

  it('are counted by the flow’s record where they are long: of a million rows eleven are read', async () => {
    const stats = [
      { names_with_response: ['A'], result_rows: 600_000 },
      { names_with_response: ['A'], result_rows: 400_000 },
      { names_with_response: ['B'], result_rows: 7 },
    ]
    const asked = await ask({
      world: {
        flows: [{ client_id: client, session_id: flow, query_stats: stats }],
        results: [results('A', rowsOf(1, 30))],
      },
      parameters: tables({ Source: '.+', MaxRows: 10 }),
    })
    expect(asked.facts.results[0]?.total).toBe(1_000_000)
    expect(page(asked)).toContain('(Showing 10 of 1000000 rows)')
    expect(asked.rowsSent()).toBe(12)
  })

  it('are counted by the server where the record does not tell sources apart', async () => {
    const stats = [{ names_with_response: ['A', 'B'], result_rows: 5_000 }]
    const asked = await ask({
      world: {
        flows: [{ client_id: client, session_id: flow, query_stats: stats }],
        results: [results('A', rowsOf(1, 40))],
      },
      parameters: tables({ Source: '.+', MaxRows: 10 }),
    })
    expect(asked.facts.results[0]?.total).toBe(40)
    expect(asked.rowsSent()).toBe(13)
  })

  it('keep of a row of 20 MiB what the letter shows', async () => {
    const asked = await ask({
      world: {
        results: [results('A', [{ Big: 'x'.repeat(20 * mebibyte), Beside: 1 }, { Big: { deep: 'y'.repeat(500) } }])],
      },
      parameters: tables({ Source: '.+', CellLimit: 40 }),
    })
    expect(JSON.stringify(asked.facts.results).length).toBeLessThan(500)
    expect(page(asked)).toContain(`${'x'.repeat(40)}… | 1 | {"deep":"${'y'.repeat(31)}…`)
  })

  it('that are still being written are spoken of', async () => {
    const asked = await ask({ sources: ['A/S'], parameters: tables({ Source: '.+' }) })
    expect(asked.facts).toMatchObject({ results: [], remarks: ['The server had no rows of A/S yet.'] })
    expect(page(asked)).toContain('The server had no rows of A/S yet.')
  })
})

describe('attachments', () => {
  it('RD-37 are named by their source', async () => {
    const { facts } = await ask({
      world: { results: [results('Generic.Client.Info/BasicInformation', [{ a: 1 }])] },
      parameters: { ...attached({ Source: '.+' }), AttachmentFormat: 'jsonl' },
    })
    expect(filesOf(facts)).toEqual([['Generic.Client.Info.BasicInformation.jsonl', '{"a":1}\n']])
    expect(facts.attachments[0]?.contentType).toBe('application/x-ndjson')
  })

  it('RD-38 have as many lines as are asked for', async () => {
    const { facts } = await ask({
      world: { results: [results('A', rowsOf(1, 9))] },
      parameters: attached({ Source: '.+', MaxRows: 5 }),
    })
    expect(filesOf(facts)[0]?.[1].split('\n')).toHaveLength(6)
  })

  it('RD-39 beyond the limit are listed with their size, and those that fit are attached', async () => {
    const rowOfKilobyte = { blob: 'x'.repeat(1012) }
    const asked = await ask({
      world: {
        results: [
          results(
            'Half',
            Array.from({ length: 512 }, () => rowOfKilobyte),
          ),
          results(
            'More',
            Array.from({ length: 922 }, () => rowOfKilobyte),
          ),
          results('Small', [{ a: 1 }]),
        ],
      },
      parameters: { ...attached({ Source: '.+' }), AttachmentsMaxMiB: 1 },
    })
    expect(asked.facts.attachments.map(({ name }) => name)).toEqual(['Half.jsonl', 'Small.jsonl'])
    expect(asked.facts.omitted).toEqual([{ name: 'More.jsonl', size: expect.any(Number) as number, why: 'too large' }])
    expect(page(asked)).toContain('More.jsonl | 1.3 MB | it exceeds the size limit')
    expect(page(asked)).toContain(`they can be downloaded from the flow: | ${flow}`)
  })

  it('are none but listed where the mail server takes none so large', async () => {
    const { facts } = await ask({
      world: { results: [results('A', [{ a: 1 }])] },
      parameters: attached({ Source: '.+' }),
      mostAttachedBytes: 0,
    })
    expect(facts).toMatchObject({ attachments: [], omitted: [{ name: 'A.jsonl', size: 14, why: 'too large' }] })
  })

  it('as csv hold no formula, and say which columns found no place', async () => {
    const { facts } = await ask({
      world: {
        results: [
          results('A', [
            { Name: '=cmd()', Size: -1 },
            { Name: 'x', Late: 'y' },
          ]),
        ],
      },
      parameters: { ...attached({ Source: '.+' }), AttachmentFormat: 'csv' },
    })
    expect(filesOf(facts)).toEqual([['A.csv', "Name,Size\r\n'=cmd(),-1\r\nx,\r\n"]])
    expect(facts.attachments[0]?.contentType).toBe('text/csv')
    expect(facts.remarks).toEqual(['A.csv has the columns of the first row; later rows also have Late.'])
  })

  it('keep every digit of large integers', async () => {
    const { facts } = await ask({
      world: { results: [results('A', [{ Inode: 18_446_744_073_709_551_615n, Time: 1_795_509_741_723_456_789n }])] },
      parameters: attached({ Source: '.+' }),
    })
    expect(filesOf(facts)[0]?.[1]).toBe('{"Inode":18446744073709551615,"Time":1795509741723456789}\n')
  })

  it('of one source are one, and of sources whose names differ in a slash two', async () => {
    const { facts } = await ask({
      world: { results: [results('A/B', [{ a: 1 }]), results('A.B', [{ a: 2 }])] },
      parameters: attached({ Source: '^A.B$' }, { Source: '.+' }),
    })
    expect(filesOf(facts)).toEqual([
      ['A.B.jsonl', '{"a":1}\n'],
      ['A.B-2.jsonl', '{"a":2}\n'],
    ])
  })

  it('that are still being written are listed as missing', async () => {
    const asked = await ask({ sources: ['A'], parameters: attached({ Source: '.+' }) })
    expect(asked.facts.omitted).toEqual([{ name: 'A.jsonl', size: null, why: 'not there yet' }])
    expect(page(asked)).toContain('A.jsonl | n/a | the server had no rows of it yet')
  })

  it('stream rows of 20 MiB that do not fit', async () => {
    const big = { blob: 'x'.repeat(20 * mebibyte) }
    const { facts } = await ask({
      world: {
        results: [
          results(
            'A',
            Array.from({ length: 4 }, () => big),
          ),
        ],
      },
      parameters: { ...attached({ Source: '.+' }), AttachmentsMaxMiB: 10 },
    })
    expect(facts).toMatchObject({ attachments: [], omitted: [{ name: 'A.jsonl', why: 'too large' }] })
    expect(facts.omitted[0]?.size).toBeGreaterThan(80 * mebibyte)
  })
})

describe('a server that does not answer', () => {
  it('costs the letter what it was asked for, which the letter says, and nothing else', async () => {
    const asked = await ask({
      world: { results: [results('A', [{ a: 1 }])], uploads: [uploads(1)] },
      uploaded: 1,
      parameters: { ...tables({ Source: '.+' }), ...attached({ Source: '.+' }) },
      before: (world) => world.faults.refuse({ times: 1 }),
    })
    expect(asked.facts.remarks).toEqual(['The uploads could not be read from the server.'])
    expect(asked.facts.results).toHaveLength(1)
    expect(asked.facts.attachments).toHaveLength(1)
  })

  it('costs each table and file by itself', async () => {
    const asked = await ask({
      world: { results: [results('A', [{ a: 1 }])] },
      parameters: { ...tables({ Source: '.+' }), ...attached({ Source: '.+' }) },
      before: (world) => world.faults.refuse({ times: 2 }),
    })
    expect(asked.facts).toMatchObject({
      results: [],
      attachments: [],
      omitted: [{ name: 'A.jsonl', size: null, why: 'unreadable' }],
      remarks: ['The results of A could not be read from the server.'],
    })
    expect(page(asked)).toContain('A.jsonl | n/a | it could not be read')
  })

  it('may have lost the flow meanwhile: the letter says that there are no rows', async () => {
    const asked = await ask({
      world: { flows: [], clients: [], results: [] },
      sources: ['A'],
      uploaded: 1,
      parameters: { ...tables({ Source: '.+' }), ...attached({ Source: '.+' }) },
    })
    expect(asked.facts).toMatchObject({ results: [], attachments: [], remarks: ['The server had no rows of A yet.'] })
    expect(page(asked)).toContain(flow)
  })
})
