import { of, throwError } from 'rxjs'
import { describe, expect, it } from 'vitest'
import { ConnectorError } from '../../../connectors/errors.ts'
import type { OutgoingMail } from '../../../connectors/mail/mail.ts'
import { openMessageChannel } from '../../../connectors/message/message-channel.ts'
import { groupAddress, groupOf, recipientText } from '../../../connectors/message/user-group.ts'
import type { QueryRequest, Velociraptor } from '../../../connectors/velociraptor/velociraptor.ts'

const group = { org: 'O1', users: '^u\\S$', roles: '' }
const message: OutgoingMail = {
  messageId: '<1@example.org>',
  from: { address: '', name: '' },
  to: { address: groupAddress(group), name: '' },
  subject: '',
  date: 0,
  text: '{"Message":"found"}',
  html: null,
  headers: [],
  attachments: [],
}
const terms = { deadline: Infinity, signal: new AbortController().signal }
const rows = (...found: readonly unknown[]) =>
  of({ kind: 'rows', rows: found.map((row) => JSON.stringify(row)) } as const)
const away = () => throwError(() => new ConnectorError('VELOCIRAPTOR_UNAVAILABLE', 'the connection ended'))
const isProbe = ({ vql }: QueryRequest): boolean => vql.includes('version(')

/** A server of the present that answers the query that tells by this. */
const server = (telling: Velociraptor['query'], probing: Velociraptor['query'] = () => rows({ Found: 1 })) => {
  const asked: QueryRequest[] = []
  const query: Velociraptor['query'] = (request) => {
    asked.push(request)
    return isProbe(request) ? probing(request) : telling(request)
  }
  return { asked, channel: openMessageChannel({ query, close: () => Promise.resolve() }) }
}

describe('the channel of in-app messages', () => {
  it('tells the users of an organisation that a group means, and says how many', async () => {
    const { asked, channel } = server(() => rows({ name: 'u1' }, { name: 'u2' }))
    expect(await channel.send(message, terms)).toEqual({ kind: 'accepted', code: 0, text: '2 user(s) told' })
    expect(asked.at(-1)).toMatchObject({ org: 'O1', env: { Users: '^u\\S$', Roles: '', Body: message.text } })
  })

  it('recognises a server that is too old, and asks it nothing more', async () => {
    const { asked, channel } = server(
      () => rows(),
      () => rows({ Found: null }),
    )
    const refused = { kind: 'refused', text: expect.stringContaining('older than 0.76.4') as string }
    expect(await channel.send(message, terms)).toMatchObject(refused)
    expect(await channel.probe()).toMatchObject(refused)
    expect(asked.every(isProbe)).toBe(true)
  })

  it('is in doubt only once the query that tells was begun', async () => {
    expect(await server(() => rows(), away).channel.send(message, terms)).toMatchObject({ kind: 'unavailable' })
    expect(await server(away).channel.send(message, terms)).toMatchObject({ kind: 'unknown' })
  })

  it('refuses what reaches nobody', async () => {
    expect(await server(() => rows()).channel.send(message, terms)).toMatchObject({ kind: 'refused' })
    const denied = () => throwError(() => new ConnectorError('VELOCIRAPTOR_DENIED', 'no permission'))
    expect(await server(denied).channel.send(message, terms)).toMatchObject({ kind: 'refused', text: 'no permission' })
    const to = { address: 'soc@example.org', name: '' }
    expect(await server(() => rows({})).channel.send({ ...message, to }, terms)).toMatchObject({ kind: 'refused' })
  })

  it('begins nothing that is too late or called off', async () => {
    const { asked, channel } = server(() => rows({ name: 'u1' }))
    expect(await channel.send(message, { ...terms, deadline: 0 })).toMatchObject({ kind: 'released' })
    expect(await channel.send(message, { ...terms, signal: AbortSignal.abort() })).toMatchObject({ kind: 'released' })
    expect(asked).toEqual([])
  })

  it('calls a group what people understand', () => {
    const text = (users: string, roles: string): string => recipientText(groupAddress({ org: 'root', users, roles }))
    expect(text('.+', '^administrator$')).toBe('users like .+ with a role like ^administrator$, organisation root')
    expect(text('', '')).toBe('every user, organisation root')
    expect(recipientText('soc@example.org')).toBe('soc@example.org')
  })

  it('names a group by one text', () => {
    expect(groupOf(groupAddress(group))).toEqual(group)
    for (const text of ['', 'soc@example.org', '[]', '["a","b"]', '["a","b",1]', '{}']) expect(groupOf(text)).toBeNull()
  })
})
