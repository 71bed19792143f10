import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  flowCompletionParameters,
  readFlowCompletionParameters,
} from '../../../pipeline/monitors/flow-completion-parameters.ts'
import type { FlowCompletionParameters } from '../../../pipeline/monitors/flow-completion-parameters.ts'
import { parseWhole } from '../../../pipeline/config/parameters.ts'
import { pathText } from '../../../pipeline/config/problem.ts'

interface Read {
  readonly parameters: FlowCompletionParameters | null
  readonly said: readonly string[]
}

const read = (value: unknown): Read => {
  const said: string[] = []
  const parameters = readFlowCompletionParameters(value, [], {
    report: (path, message, { level = 'error' } = {}) => said.push(`${level} ${pathText(path)}: ${message}`),
    writtenAt: () => undefined,
  })
  return { parameters, said }
}

const good = (value: unknown): FlowCompletionParameters => {
  const { parameters, said } = read({ NotifyExecutor: true, ...(value as object) })
  if (parameters === null) throw new Error(said.join('\n'))
  return parameters
}

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value))
const addresses = (Recipients: unknown): string[] => good({ Recipients }).Recipients.map(({ address }) => address)

describe('parameters that are left out', () => {
  it('have the defaults of the artifact, but no throttle (D-58)', () => {
    const pattern = (text: string): object => ({ text, isBlank: text === '' })
    expect(plain(read(undefined).parameters)).toEqual({
      Secret: 'notify_mail_secret',
      Recipients: [],
      NotifyExecutor: false,
      NotifyExecutorDomains: [],
      NotifyMetadataEMail: '',
      Sender: null,
      HTML: true,
      ArtifactsToAlertOn: pattern('.+'),
      ArtifactsToIgnore: pattern('^(Custom\\.)?Generic\\.Client\\.Info$'),
      ClientLabelsToAlertOn: pattern('.+'),
      ClientLabelsToIgnore: pattern(''),
      NotifyHunts: false,
      NewClientArtifacts: pattern(''),
      ArtifactPermToAlertOn: pattern(''),
      NewClientThreshold: 300,
      ErrorHandling: ['IgnoreCancelled'],
      DelayThreshold: 10,
      SendInterval: -1,
      KeepEmptyRows: false,
      ClientMetadata: [],
      IncludeUploadsTableRows: 10,
      IncludeResultTableFrom: [],
      ResultTableMaxColumns: 4,
      IncludeResultAttachmentFrom: [],
      AttachmentFormat: 'jsonl',
      AttachmentsMaxMiB: 100,
      NotifyIfResultsLabels: pattern('^notify_results$'),
      NotifyIfUploadsLabels: pattern('^notify_uploads$'),
    })
  })
  it('leave nobody to tell, which is said', () => {
    expect(read({}).said).toEqual([
      'warning Recipients: nobody is told by this monitor: set Recipients, NotifyExecutor or NotifyMetadataEMail',
    ])
  })
})

describe('a scalar', () => {
  it.each([
    ['Y', true],
    ['yes', true],
    ['TRUE', true],
    ['ok', true],
    ['N', false],
    ['false', false],
    ['', false],
    [true, true],
    [false, false],
  ])('may be a switch as the server writes it: %j', (value, expected) =>
    expect(good({ HTML: value }).HTML).toBe(expected),
  )

  it.each(['maybe', '1', 'on', 1, null, []])('is no switch: %j', (value) => {
    expect(read({ HTML: value }).parameters).toBeNull()
  })

  it.each([
    ['-1', -1],
    ['0', 0],
    ['007', 7],
    ['010', 8],
    ['0x10', 16],
    ['0b101', 5],
    ['0o17', 15],
    ['+5', 5],
    ['', null],
    [' 5', null],
    ['08', null],
    ['1.5', null],
    ['1e3', null],
    ['ten', null],
    ['99999999999999999999', null],
  ])('%j is the number %j to the server', (written, expected) => expect(parseWhole(written)).toBe(expected))

  it('may be a number as text', () => expect(good({ DelayThreshold: '60' }).DelayThreshold).toBe(60))
  it('may be an exact integer, as scenario files have them', () => {
    expect(good({ DelayThreshold: 60n, ArtifactsToAlertOn: 404n })).toMatchObject({
      DelayThreshold: 60,
      ArtifactsToAlertOn: { text: '404' },
    })
    expect(read({ DelayThreshold: 2n ** 60n }).parameters).toBeNull()
  })
  it.each(['', 'x', 1.5, true, null])('is no number: %j', (value) =>
    expect(read({ DelayThreshold: value }).parameters).toBeNull(),
  )
  it('may be a text or a pattern that looks like a number', () => {
    expect(good({ ArtifactsToAlertOn: 404 }).ArtifactsToAlertOn.text).toBe('404')
    expect(good({ NotifyMetadataEMail: 5 }).NotifyMetadataEMail).toBe('5')
  })
})

describe('SendInterval', () => {
  it.each([
    [-1, -1],
    ['-7', -1],
    [0, 60],
    ['10', 10],
  ])('%j means %i seconds', (written, expected) => expect(good({ SendInterval: written }).SendInterval).toBe(expected))
})

describe('Recipients', () => {
  it('RC-01, RC-12: are told once, without regard to case, in the first position and spelling', () => {
    expect(addresses(['a@example.org', 'B@example.org', 'A@example.org', 'b@example.org'])).toEqual([
      'a@example.org',
      'B@example.org',
    ])
  })
  it('RC-13: lose a bad address with a warning, and keep the others', () => {
    const { parameters, said } = read({ Recipients: ['foo', 'soc@example.org'] })
    expect(parameters?.Recipients.map(({ address }) => address)).toEqual(['soc@example.org'])
    expect(said).toEqual(['warning Recipients[0]: left out: it is no mail address: it has no @'])
    const several = read({ Recipients: ['soc@example.org, foo'] })
    expect(several.parameters?.Recipients.map(({ address }) => address)).toEqual(['soc@example.org'])
    expect(several.said).toEqual(['warning Recipients[0]: left out: entry 2 is no mail address: it has no @'])
  })
  it('RC-14: may have blank rows', () => {
    expect(addresses('Address\n\n""\nsoc@example.org\n')).toEqual(['soc@example.org'])
    expect(addresses(['', null, { Address: ' ' }, 'soc@example.org'])).toEqual(['soc@example.org'])
  })
  it('may be texts, mappings or CSV, with several addresses in a cell', () => {
    expect(addresses(['a@example.org, b@example.org'])).toEqual(['a@example.org', 'b@example.org'])
    expect(addresses([{ Address: 'a@example.org' }])).toEqual(['a@example.org'])
    expect(addresses('Address\na@example.org\n"b@example.org, c@example.org"\n')).toEqual([
      'a@example.org',
      'b@example.org',
      'c@example.org',
    ])
  })
  it('may have display names', () => {
    expect(good({ Recipients: ['SOC <soc@example.org>'] }).Recipients).toEqual([
      { address: 'soc@example.org', name: 'SOC' },
    ])
  })
  it('are never shown in a message', () => {
    expect(read({ Recipients: ['secret person@example.org', 'x@y@example.org'] }).said.join()).not.toContain(
      'example.org',
    )
  })
})

describe('a table', () => {
  it('RX-09: keeps cells as text, typed or not', () => {
    const [row] = good({ IncludeResultTableFrom: [{ Source: 404 }] }).IncludeResultTableFrom
    expect(row?.Source.matches('HTTP 404')).toBe(true)
    const [other] = good({
      IncludeResultTableFrom: 'Source,Columns,MaxRows,CellLimit\n404,true,,\n',
    }).IncludeResultTableFrom
    expect([other?.Source.text, other?.Columns.text]).toEqual(['404', 'true'])
  })

  it('has its limits within the bounds: blank and 0 are the most there can be (D-35)', () => {
    const limits = (MaxRows: unknown, CellLimit: unknown): unknown => {
      const [row] = good({ IncludeResultTableFrom: [{ Source: 'x', MaxRows, CellLimit }] }).IncludeResultTableFrom
      return [row?.MaxRows, row?.CellLimit]
    }
    expect(limits('', null)).toEqual([100, 10_000])
    expect(limits(0, -1)).toEqual([100, 10_000])
    expect(limits('5', 40)).toEqual([5, 40])
    expect(limits(500, 20_000)).toEqual([100, 10_000])
    expect(read({ IncludeResultTableFrom: [{ Source: 'x', MaxRows: 'few' }] }).parameters).toBeNull()
    expect(
      good({
        IncludeResultAttachmentFrom: [
          { Source: 'x', MaxRows: 0 },
          { Source: 'y', MaxRows: 5000 },
        ],
      }).IncludeResultAttachmentFrom.map(({ MaxRows }) => MaxRows),
    ).toEqual([null, 5000])
  })

  it('keeps the first of two rows for one source, and says so (D-38)', () => {
    const { parameters, said } = read({
      NotifyExecutor: true,
      IncludeResultTableFrom: [{ Source: 'x', MaxRows: 1 }, { Source: 'y' }, { Source: 'x', MaxRows: 2 }],
      ClientMetadata: 'Field,Alias\nSerial,A\nSerial,B\n',
    })
    expect(parameters?.IncludeResultTableFrom.map(({ Source, MaxRows }) => [Source.text, MaxRows])).toEqual([
      ['x', 1],
      ['y', 100],
    ])
    expect(parameters?.ClientMetadata).toEqual([{ Field: 'Serial', Alias: 'A' }])
    expect(said).toEqual([
      'warning ClientMetadata: line 3, Field: an earlier row has the same Field, and the first wins: this one is left out',
      'warning IncludeResultTableFrom[2].Source: an earlier row has the same Source, and the first wins: this one is left out',
    ])
  })

  it('says when a row of CSV has cells too many, and pads one that has too few', () => {
    const { parameters, said } = read({ NotifyExecutor: 'Y', ClientMetadata: 'Field,Alias\nSerial,S,more\nOwner\n' })
    expect(parameters?.ClientMetadata).toEqual([
      { Field: 'Serial', Alias: 'S' },
      { Field: 'Owner', Alias: '' },
    ])
    expect(said).toEqual([
      'warning ClientMetadata: line 2 has more cells than the header; the rest is left out (put a cell with a comma in quotes)',
    ])
  })

  it.each([5, true, { Address: 'x' }, [[]], [5, {}, [1]], [{ Adress: 'x' }]])('is not %j', (Recipients) => {
    expect(read({ Recipients }).said.some((line) => line.startsWith('error'))).toBe(true)
  })
})

describe('NotifyExecutorDomains', () => {
  it('maps users to domains', () => {
    const [row] = good({ NotifyExecutorDomains: 'UsernameRegex,Domain\n^analyst,Example.org\n' }).NotifyExecutorDomains
    expect([row?.UsernameRegex.matches('Analyst1'), row?.Domain]).toEqual([true, 'example.org'])
  })
  it.each(['', '@example.org', 'a b.org', 'example.org, other.org', 'x@example.org', 'example.org\nBcc: x'])(
    'refuses the domain %j',
    (Domain) => {
      expect(read({ NotifyExecutorDomains: [{ UsernameRegex: '.+', Domain }] }).parameters).toBeNull()
    },
  )
  it('does nothing without NotifyExecutor, which is said (D-20)', () => {
    const { said } = read({
      Recipients: ['a@example.org'],
      NotifyExecutorDomains: [{ UsernameRegex: '.+', Domain: 'example.org' }],
    })
    expect(said).toEqual(['warning NotifyExecutorDomains: does nothing without NotifyExecutor: true (D-20)'])
  })
})

describe('ErrorHandling', () => {
  it.each([
    [
      ['IgnoreDelay', 'IncludeHunts', 'IgnoreDelay'],
      ['IncludeHunts', 'IgnoreDelay'],
    ],
    ['["IgnoreDelay"]', ['IgnoreDelay']],
    ['[]', []],
    ['', []],
    [[], []],
  ])('%j is %j', (written, expected) => expect(good({ ErrorHandling: written }).ErrorHandling).toEqual(expected))
  it.each(['IgnoreDelay', '{"a":1}', ['ignoredelay'], [5], 5])('refuses %j', (written) =>
    expect(read({ ErrorHandling: written }).parameters).toBeNull(),
  )
})

describe('limits', () => {
  it('RD-17: never show more than 100 uploads, which is said', () => {
    const { parameters, said } = read({ NotifyExecutor: true, IncludeUploadsTableRows: 500 })
    expect(parameters?.IncludeUploadsTableRows).toBe(100)
    expect(said).toEqual(['warning IncludeUploadsTableRows: is taken as 100, the most there can be'])
  })
  it.each([
    { ResultTableMaxColumns: -1 },
    { AttachmentsMaxMiB: -1 },
    { AttachmentsMaxMiB: 5000 },
    { DelayThreshold: 1e12 },
  ])('refuse %j', (value) => {
    expect(read(value).parameters).toBeNull()
  })
  it('take no uploads table for any number below 1', () =>
    expect(good({ IncludeUploadsTableRows: -3 }).IncludeUploadsTableRows).toBe(0))
})

it('reports every wrong parameter at once', () => {
  const wrong = Object.keys(flowCompletionParameters).map((name) => [name, { x: 1 }])
  const { parameters, said } = read(Object.fromEntries(wrong))
  expect(parameters).toBeNull()
  expect(said).toHaveLength(wrong.length)
})

it('reads the parameters of a recorded server as they are', () => {
  const recorded = JSON.parse(readFileSync(new URL('recorded-parameters.json', import.meta.url), 'utf8')) as unknown
  const { parameters, said } = read(recorded)
  expect(said).toEqual([])
  expect(parameters).toMatchObject({
    Recipients: [{ address: 'soc@example.org' }],
    NotifyExecutor: true,
    NotifyExecutorDomains: [{ Domain: 'example.org' }],
    NotifyMetadataEMail: 'Owner Email',
    SendInterval: -1,
    DelayThreshold: 0,
    ClientMetadata: [
      { Field: 'Serial', Alias: 'Serial number' },
      { Field: 'Department', Alias: '' },
      { Field: 'NotThere', Alias: '' },
    ],
    IncludeResultTableFrom: [
      { Source: { text: 'Lab\\.Client\\.Rows' }, MaxRows: 3, CellLimit: 40 },
      { Source: { text: 'Linux\\.Sys\\.Users' }, MaxRows: 5, CellLimit: 10_000 },
    ],
    IncludeResultAttachmentFrom: [{ Source: { text: 'Lab\\.Client\\.Rows' }, MaxRows: null }],
  })
})
