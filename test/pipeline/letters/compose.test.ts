import { describe, expect, it } from 'vitest'
import { composeMail } from '../../../pipeline/letters/compose.ts'
import type { MailTerms } from '../../../pipeline/letters/compose.ts'
import { flowLetter } from '../../../pipeline/letters/flow-letter.ts'
import { CONTEXT, T, noticeWith } from './notices.ts'

const TERMS: MailTerms = {
  html: true,
  messageId: '<n1@relay.example.org>',
  from: { address: 'velociraptor@example.org', name: 'Velociraptor' },
  to: { address: 'soc@example.org', name: '' },
  date: T,
  monitor: 'my-collections',
  event: 'root/C.1/F.1/1776868947',
}

function headersWith(terms: Partial<MailTerms>): Readonly<Record<string, string>> {
  return Object.fromEntries(composeMail(flowLetter(noticeWith(), CONTEXT), { ...TERMS, ...terms }).headers)
}

describe('composeMail', () => {
  it('makes one message to one recipient that says it was sent by a machine, and by which rule', () => {
    const mail = composeMail(flowLetter(noticeWith(), CONTEXT), TERMS)
    expect(mail).toMatchObject({
      messageId: '<n1@relay.example.org>',
      from: TERMS.from,
      to: TERMS.to,
      subject: 'host1.example.org finished collecting Linux.Search.FileFinder',
      date: T,
      attachments: [],
    })
    expect(mail.headers).toEqual([
      ['Auto-Submitted', 'auto-generated'],
      ['X-Auto-Response-Suppress', 'All'],
      ['List-Id', '<my-collections.raptor-relay.example.org>'],
      ['X-Raptor-Relay-Monitor', 'my-collections'],
      ['X-Raptor-Relay-Event', 'root/C.1/F.1/1776868947'],
    ])
    expect(mail.html).toContain('<!DOCTYPE html>')
    expect(mail.text).toContain('Client collection finished')
  })

  it('names no event in a letter that tells of none', () => {
    expect(headersWith({ event: '' })).not.toHaveProperty('X-Raptor-Relay-Event')
  })

  it('leaves the page out of a message that is text alone', () => {
    expect(composeMail(flowLetter(noticeWith(), CONTEXT), { ...TERMS, html: false }).html).toBeNull()
  })

  it('writes headers in visible ASCII whatever monitors and events are called', () => {
    const headers = headersWith({ monitor: 'Zürich\r\nBcc: a@example.org', event: `x\u202e\u0000 ${'é'.repeat(400)}` })
    expect(headers['X-Raptor-Relay-Monitor']).toBe('Z\\u{fc}rich Bcc: a@example.org')
    expect(headers['X-Raptor-Relay-Event']).toMatch(/^x\\u202e\\u0000 (\\u\{e9\})+$/)
    for (const value of Object.values(headers)) expect(value).toMatch(/^[\x20-\x7e]{1,2000}$/)
  })

  it('writes a list id that is one, whatever the monitor and the domain are called', () => {
    const from = { address: 'a@bücher.example.org', name: '' }
    expect(headersWith({ monitor: 'my (big). list', from })['List-Id']).toBe(
      '<my%20%28big%29-%20list.raptor-relay.xn--bcher-kva.example.org>',
    )
  })

  it('shows what is hidden in display names', () => {
    const mail = composeMail(flowLetter(noticeWith(), CONTEXT), {
      ...TERMS,
      to: { address: 'soc@example.org', name: 'a\r\nBcc: \u202eb' },
    })
    expect(mail.to.name).toBe('a Bcc: \\u202eb')
  })

  it('carries the attachments', () => {
    const file = { name: 'A.B.jsonl', contentType: 'application/x-ndjson', content: new Uint8Array([1]) }
    expect(composeMail(flowLetter(noticeWith(), CONTEXT), { ...TERMS, attachments: [file] }).attachments).toEqual([
      file,
    ])
  })
})
