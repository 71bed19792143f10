import { describe, expect, it } from 'vitest'
import { alertBatchLetter } from '../../../pipeline/letters/alert-batch-letter.ts'
import { type AlertContext, alertLetter } from '../../../pipeline/letters/alert-letter.ts'
import { LARGEST_HTML, renderLetter } from '../../../pipeline/letters/fit.ts'
import type { Letter } from '../../../pipeline/letters/letter.ts'
import { T } from '../../operators/alert-events.ts'
import { ALERT_CONTEXT, alertNotice } from './alert-notices.ts'
import { noticeWith } from './notices.ts'

const letterOf = (difference: Parameters<typeof alertNotice>[0] = {}, context: Partial<AlertContext> = {}): Letter =>
  alertLetter(alertNotice(difference), { ...ALERT_CONTEXT, ...context })
const headings = (letter: Letter): readonly string[] => letter.sections.map(({ heading }) => heading)
const rowsOf = (letter: Letter, heading: string): readonly string[] => {
  const body = letter.sections.find((section) => section.heading === heading)?.body
  return body?.kind === 'rows' ? body.rows.map(({ name }) => name) : []
}
const server = { client: { id: 'server', known: false, hostname: '', fqdn: '' }, event: { reported_by: 'server' } }

describe('the letter of an alert', () => {
  it('names host, severity and message in its subject', () => {
    expect(letterOf({ options: { severity: 'HIGH' } })).toMatchObject({
      subject: 'Alert from client host1 (HIGH): Honey file accessed',
      title: 'Alert from client host1',
      ok: false,
      summary: 'An alert was sent from host1 at 2026-04-22T16:31:23Z:',
      stress: 'Honey file accessed',
    })
  })

  it('of the server says so', () => {
    const letter = letterOf(server)
    expect(letter.subject).toBe('Server alert: Honey file accessed')
    expect(letter.summary).toContain('from the server at')
    expect(headings(letter)).toEqual(['Alert summary'])
  })

  it("of the relay's own trouble, its end and its sign of life bears the relay's name and leads to no artifact", () => {
    const own = (name: string, artifact = 'relay', reported_by = 'server'): Letter =>
      letterOf({ ...server, event: { name, artifact, artifact_type: '', reported_by } })
    expect(own('raptor-relay: mail is away (default)')).toMatchObject({
      subject: 'raptor-relay: mail is away (default)',
      title: 'Trouble of raptor-relay',
      ok: false,
      summary: 'raptor-relay says at 2026-04-22T16:31:23Z:',
      footer: ['Sent by raptor-relay, monitor soc'],
    })
    for (const name of ['raptor-relay: over: mail is away (default)', 'raptor-relay heartbeat'])
      expect(own(name)).toMatchObject({ title: 'News of raptor-relay', ok: true })
    expect(rowsOf(own('raptor-relay heartbeat'), 'Alert summary')).not.toContain('Artifact')
    expect(own('raptor-relay heartbeat', 'Custom.Relay').title).toBe('Server alert')
    expect(own('raptor-relay heartbeat', 'relay', 'C.1').title).toBe('Server alert')
  })

  it('CX-21 of a client without a record names its id', () => {
    expect(letterOf({ client: { id: 'C.9', known: false, hostname: '' } }).subject).toBe(
      'Alert from client C.9: Honey file accessed',
    )
  })

  it('CX-22 tells the server time only where it is a later second', () => {
    const at = T + 400
    const rows = (received_at: number): readonly string[] =>
      rowsOf(letterOf({ event: { alerted_at: at, received_at } }), 'Alert summary')
    expect(rows(T + 900)).not.toContain('Server time')
    expect(rows(T + 2000)).toContain('Server time')
  })

  it('CX-23 leaves the client out where it is not asked for', () => {
    expect(headings(letterOf())).toEqual(['Alert summary', 'Client details'])
    expect(headings(letterOf({ options: { client_details: false } }))).toEqual(['Alert summary'])
  })

  it('CX-24 has no flow where its record is gone, and shows it where it is there', () => {
    expect(headings(letterOf({ event: { flow_id: 'F.GONE' } }))).not.toContain('Flow details')
    const letter = letterOf({ flow: { creator: 'analyst1' } })
    expect(rowsOf(letter, 'Flow details')).toContain('Creator')
    expect(rowsOf(letter, 'Flow details')).not.toContain('Collection finished')
    expect(headings(letterOf({ flow: {}, options: { flow_details: false } }))).not.toContain('Flow details')
  })

  it('CX-25 cuts a long message in the subject and on the page, not in the text', () => {
    const name = 'm'.repeat(400)
    const letter = letterOf({ event: { name } })
    const { html, text } = renderLetter(letter)
    expect(letter.subject).toBe(`Alert from client host1: ${'m'.repeat(30)}…`)
    expect(html).toContain(`<b>${name}</b>`)
    expect(html).toContain(`${'m'.repeat(300)}…</td>`)
    expect(text).toContain(`\nMessage: ${name}\n`)
    expect(renderLetter(letterOf({ event: { name: 'm'.repeat(5000) } })).html).toContain(`<b>${'m'.repeat(1000)}…</b>`)
  })

  it('CX-07 says in both parts how many rows it shows', () => {
    const data = Object.fromEntries(Array.from({ length: 45 }, (_, n) => [`k${n}`, n]))
    const { html, text } = renderLetter(letterOf({ data }))
    for (const part of [html, text]) expect(part).toContain('(Showing 30 of 45 rows)')
    expect(text).toContain('k29: 29')
    expect(text).not.toContain('k30')
  })

  it('CX-08 shows as many rows as the limit lets it', () => {
    const data = Object.fromEntries(Array.from({ length: 150 }, (_, n) => [`k${n}`, n]))
    const letter = letterOf({ data, options: { most_rows: 100 } })
    expect(rowsOf(letter, 'Alert details')).toHaveLength(100)
  })

  it('calls a client new by the time at which the server had the alert', () => {
    const isNew = (seconds: number): boolean =>
      rowsOf(letterOf({ client: { first_seen_at: T - seconds * 1000 } }), 'Client details').includes('New client')
    expect([isNew(299), isNew(300)]).toEqual([true, false])
  })

  it('shows what is known of the artifact, as far as the limits go', () => {
    const artifactDetails = [['Definition.name', 'A'], ['Definition.author', ''], ['Execution.Params.X', 'y'.repeat(2000)]] as const // prettier-ignore
    const letter = letterOf({}, { artifactDetails })
    expect(rowsOf(letter, 'Artifact details')).toEqual(['Definition.name', 'Execution.Params.X'])
    expect(renderLetter(letter).text).toContain(`${'y'.repeat(1000)}…`)
  })

  it('says that it comes late, and that the alert was cut', () => {
    expect(letterOf({ event: { origin: 'history', shortened: true } }).note).toEqual([
      'It happened 2 seconds ago, while the relay was away. The alert was too large: long values of it are cut.',
    ])
    expect(letterOf().note).toEqual([])
  })

  it('leads to the page of a named source', () => {
    const { text } = renderLetter(letterOf({ event: { artifact: 'Custom.A/Source' } }))
    expect(text).toMatch(/Artifact: Custom\.A\/Source \(\S+#\/artifacts\/Custom\.A\)/)
  })

  it('shows hostile texts as they are and lets none forge a row', () => {
    const evil = '</td><script>x</script>\u202e\u001b[2J\nSeverity: none'
    const letter = letterOf({
      event: { name: evil, artifact: evil, artifact_type: evil },
      client: { hostname: evil, labels: [evil] },
      data: { [evil]: evil },
      options: { severity: evil },
    })
    const { html, text } = renderLetter(letter)
    expect(html).not.toContain('<script>')
    for (const part of [html, text, letter.subject]) expect(part).not.toMatch(/[\u202e\u001b]/)
    expect(text.split('\n').filter((line) => line.startsWith('Severity: none'))).toEqual([])
    expect(letter.subject).not.toContain('\n')
  })

  it('fits what mail programs show, whatever the alert holds', () => {
    const data = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`k${n}`, '<'.repeat(10_000)]))
    const { html } = renderLetter(letterOf({ data, options: { most_rows: 100, longest_value: 10_000 } }))
    expect(Buffer.byteLength(html)).toBeLessThanOrEqual(LARGEST_HTML)
  })

  it('is refused for a notice of something else', () => {
    expect(() => alertLetter(noticeWith(), ALERT_CONTEXT)).toThrow(TypeError)
    expect(() => alertBatchLetter([noticeWith()], ALERT_CONTEXT)).toThrow(TypeError)
  })
})

describe('the letter of several alerts', () => {
  const told = (name: string, severity: string, client: string, at = T) =>
    alertNotice({
      event: { name, received_at: at },
      client: { id: client, hostname: `host of ${client}` },
      options: { severity },
    })

  it('counts them, and lists the severest first', () => {
    const letter = alertBatchLetter(
      [
        told('noise', 'low', 'C.1'),
        told('noise', 'low', 'C.2'),
        told('Disk full', 'critical', 'C.1'),
        told('odd', '', 'C.3'),
      ],
      ALERT_CONTEXT,
    )
    expect(letter.subject).toBe('4 alerts (critical): Disk full (+ 2 more)')
    expect(letter.summary).toContain('4 alerts on 3 clients')
    expect(letter.summary).toContain('1 critical, 2 low, 1 no severity')
    const { text } = renderLetter(letter)
    expect(text.indexOf('Disk full')).toBeLessThan(text.indexOf('noise'))
    expect(text).toContain('2 on 2 clients')
  })

  it('has no more rows than mail programs show', () => {
    const { html, text } = renderLetter(
      alertBatchLetter(
        Array.from({ length: 500 }, (_, n) => told(`${'<'.repeat(200)}${n}`, 'high', `C.${n}`)),
        ALERT_CONTEXT,
      ),
    )
    expect(Buffer.byteLength(html)).toBeLessThanOrEqual(LARGEST_HTML)
    expect(text).toContain('of 500 rows')
  })
})
