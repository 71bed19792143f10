import { ConnectorError } from '../errors.ts'
import type { MailReply, MailSink, OutgoingMail, SendTerms } from '../mail/mail.ts'
import { askRows } from '../velociraptor/lookups.ts'
import type { Velociraptor } from '../velociraptor/velociraptor.ts'
import { groupOf } from './user-group.ts'

const timeoutS = 20
const tooOld = 'the server is older than 0.76.4: it has no in-app messages'
const reply = (kind: MailReply['kind'], text: string): MailReply => ({ kind, code: 0, text })

const failed = (cause: unknown, whenAway: MailReply['kind']): MailReply => {
  if (!(cause instanceof ConnectorError)) throw cause
  if (cause.code === 'CLOSED') return reply('released', 'not begun: closed')
  return reply(cause.code === 'VELOCIRAPTOR_UNAVAILABLE' ? whenAway : 'refused', cause.message)
}

/** Whether the server has in-app messages: `accepted`, or why not. Never rejects for what a connector says. */
const probe = async (velociraptor: Velociraptor): Promise<MailReply> => {
  try {
    const [row] = await askRows(velociraptor, {
      org: 'root',
      vql: "SELECT version(function='user_message') AS Found FROM scope()",
      timeoutS,
    })
    return typeof row?.['Found'] === 'number'
      ? reply('accepted', 'in-app messages can be sent')
      : reply('refused', tooOld)
  } catch (cause) {
    return failed(cause, 'unavailable')
  }
}

const tellUsers = async (velociraptor: Velociraptor, { to, text }: OutgoingMail): Promise<MailReply> => {
  const group = groupOf(to.address)
  if (group === null) return reply('refused', 'its recipient is no group of users')
  const { org, users, roles } = group
  try {
    const told = await askRows(velociraptor, {
      org,
      vql:
        'SELECT name, user_message(user=name, message=parse_json(data=Body)) AS Sent FROM gui_users() ' +
        'WHERE name =~ Users AND roles =~ Roles',
      env: { Users: users, Roles: roles, Body: text },
      timeoutS,
    })
    return told.length === 0
      ? reply('refused', 'no user of the organisation has a matching name and role')
      : reply('accepted', `${told.length} user(s) told`)
  } catch (cause) {
    // It may have been sent before the connection ended.
    return failed(cause, 'unknown')
  }
}

/**
 * In-app messages as a channel: a message's text is the JSON of its body, its recipient a group of users, whom the server itself looks
 * up in the query that tells them. They come from the API's user and bear no Message-ID: one that is sent again has the same body. One
 * at a time is under way, so that no more than it can be told twice.
 */
export const openMessageChannel = (velociraptor: Velociraptor): MailSink => {
  const running = new Set<Promise<MailReply>>()
  const send = async (mail: OutgoingMail, { deadline, signal }: SendTerms): Promise<MailReply> => {
    if (signal.aborted || performance.now() >= deadline) return reply('released', 'not begun')
    const found = await probe(velociraptor)
    return found.kind === 'accepted' ? tellUsers(velociraptor, mail) : found
  }
  return {
    connections: 1,
    async send(mail, terms) {
      const sending = send(mail, terms)
      running.add(sending)
      return sending.finally(() => running.delete(sending))
    },
    probe: () => probe(velociraptor),
    async close() {
      await Promise.allSettled(running)
    },
  }
}
