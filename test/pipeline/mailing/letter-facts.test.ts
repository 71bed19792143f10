import { describe, expect, it } from 'vitest'
import { lookUpLetterFacts } from '../../../pipeline/mailing/letter-facts.ts'
import type { FlowLetterOptions } from '../../../schemas/generated.ts'
import { flowEvent } from '../../operators/flow-events.ts'
import { away, type HandVelociraptor, openHandVelociraptor } from '../sources/hand-velociraptor.ts'
import { noticeTo } from './mail-world.ts'

const plain: FlowLetterOptions = {
  html: true,
  keep_empty_rows: false,
  new_client: false,
  client_metadata: [],
  uploads_rows: 10,
  result_tables: [],
  result_columns: 4,
  attachments: [],
  attachment_format: 'jsonl',
  most_attached_bytes: 1_000_000,
}
const open = () => {
  const server = openHandVelociraptor()
  server.results.set('A/S', [
    { x: 1, y: 'a' },
    { x: 2, y: 'b' },
    { x: 3, y: 'c' },
  ])
  server.results.set('B', [{ z: 'only' }])
  return server
}
const facts = (server: HandVelociraptor, options: Partial<FlowLetterOptions> = {}, uploaded_files = 0) =>
  lookUpLetterFacts(server, {
    ...noticeTo('a@example.org'),
    flow: flowEvent({ flow: { sources_with_results: ['A/S', 'B'], uploaded_files } }),
    flow_letter: { ...plain, ...options },
  })
const table = (source: string, more: object = {}) => ({ source, columns: '', most_rows: 2, longest_cell: 50, ...more })
const attachment = (source: string, more: object = {}) => ({ source, columns: '', most_rows: 0, ...more })

describe('what a letter shows beside its notice', () => {
  it('is nothing when nothing is asked for, and the server is not asked', async () => {
    const server = open()
    expect(await facts(server)).toEqual({ results: [], attachments: [], omitted: [], remarks: [] })
    expect(server.asked).toEqual([])
  })

  it('is nothing for a notice without a flow', async () => {
    expect(await lookUpLetterFacts(open(), { ...noticeTo('a@example.org'), flow: null })).toMatchObject({
      results: [],
      attachments: [],
    })
  })

  it('are its uploads, index files not counted', async () => {
    const server = open()
    server.uploads.push(
      { Upload: { Path: '/a', Components: ['clients', 'a'] }, uploaded_size: 5 },
      { client_path: '/b', uploaded_size: 'many', Type: 'idx' },
    )
    expect((await facts(server, {}, 2)).uploads).toEqual({
      rows: [
        { path: '/a', size: 5, components: ['clients', 'a'], type: '' },
        { path: '/b', size: 0, components: [], type: 'idx' },
      ],
      total: 1,
      maxRows: 10,
    })
  })

  it.each([
    ['without an HTML part', { html: false }],
    ['without rows', { uploads_rows: 0 }],
  ])('are no uploads %s', async (_, options) => {
    const server = open()
    expect(await facts(server, options, 2)).not.toHaveProperty('uploads')
    expect(server.asked).toEqual([])
  })

  it('are its results by the rules, in their order; a source belongs to the first rule that names it', async () => {
    const { results } = await facts(open(), { result_tables: [table('^b$'), table('', { columns: 'Y' })] })
    expect(results).toEqual([
      { source: 'B', columns: ['z'], rows: [{ z: 'only' }], total: 1, maxRows: 2, cellLimit: 50, maxColumns: 4 },
      {
        source: 'A/S',
        columns: ['y'],
        rows: [
          { x: 1, y: 'a' },
          { x: 2, y: 'b' },
        ],
        total: 3,
        maxRows: 2,
        cellLimit: 50,
        maxColumns: 4,
      },
    ])
  })

  it('are no tables without an HTML part, nor of sources without rows', async () => {
    const server = open()
    server.results.clear()
    expect((await facts(open(), { html: false, result_tables: [table('.')] })).results).toEqual([])
    expect((await facts(server, { result_tables: [table('.')] })).results).toEqual([])
  })

  it('are its attachments, with their limits', async () => {
    const { attachments } = await facts(open(), {
      attachments: [attachment('A', { columns: 'x', most_rows: 2 }), attachment('.')],
    })
    expect(
      attachments.map(({ name, contentType, content }) => [name, contentType, Buffer.from(content).toString()]),
    ).toEqual([
      ['A.S.jsonl', 'application/x-ndjson', '{"x":1}\n{"x":2}\n'],
      ['B.jsonl', 'application/x-ndjson', '{"z":"only"}\n'],
    ])
    const csv = await facts(open(), { attachments: [attachment('^B$')], attachment_format: 'csv' })
    expect(csv.attachments).toMatchObject([{ name: 'B.csv', contentType: 'text/csv' }])
  })

  it('leaves out an attachment that does not fit, and goes on with those that do', async () => {
    const server = open()
    server.results.set('A/S', [{ blob: 'x'.repeat(5000) }])
    const { attachments, omitted } = await facts(server, { attachments: [attachment('.')], most_attached_bytes: 1000 })
    expect(omitted).toEqual([{ name: 'A.S.jsonl', size: expect.any(Number) as number, why: 'too large' }])
    expect(attachments.map(({ name }) => name)).toEqual(['B.jsonl'])
  })

  it('says what the server did not give, and shows the rest', async () => {
    const server = open()
    server.failureFor = ({ env }) => (env?.['SourceName'] === 'B' ? null : away)
    const { results, attachments, omitted, remarks } = await facts(
      server,
      { result_tables: [table('A')], attachments: [attachment('.')] },
      1,
    )
    expect(remarks).toEqual([
      'The uploads could not be read from the server.',
      'The results could not be read from the server.',
    ])
    expect([results, omitted]).toEqual([[], [{ name: 'A.S.jsonl', size: null, why: 'unreadable' }]])
    expect(attachments.map(({ name }) => name)).toEqual(['B.jsonl'])
  })
})
