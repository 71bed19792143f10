import { describe, expect, it } from 'vitest'
import { readConfiguration } from '../../../pipeline/config/read-configuration.ts'
import { printProblem } from '../../../pipeline/config/problem.ts'
import { surroundingsOf } from './surroundings-of.ts'

/** What comes of a channel's limits. */
const read = (limits: string, log = '') => {
  const text = `velociraptor: { api_config: ./api.config.yaml, gui_url: https://velociraptor.example.org/app/index.html }
mail:
  url: smtp://mail.example.org
  from: velociraptor@example.org
  limits: ${limits}
monitors:
  - { artifact: Server.Monitor.FlowCompletion, parameters: { Recipients: [soc@example.org] } }
${log}`
  const { configuration, problems } = readConfiguration(text, surroundingsOf())
  return { limits: configuration?.channels[0]?.limits, said: problems.map(printProblem) }
}
const hour = 3_600_000

describe('limits', () => {
  it('left out are none', () => {
    expect(read('').limits).toEqual({ channel: null, recipient: null, domain: null })
  })

  it('are letters in a time, of which a tenth may go at once', () => {
    expect(read('{ channel: 600/h, recipient: 5/15m, domain: 2000/d }')).toEqual({
      limits: {
        channel: { most: 600, perMs: hour, burst: 60 },
        recipient: { most: 5, perMs: hour / 4, burst: 1 },
        domain: { most: 2000, perMs: 24 * hour, burst: 200 },
      },
      said: [],
    })
  })

  it('may have a burst of their own', () => {
    expect(read('{ recipient: { rate: 60/h, burst: 30 } }').limits?.recipient).toEqual({
      most: 60,
      perMs: hour,
      burst: 30,
    })
  })

  it.each([
    ['{ recipient: 60 }', '/etc/relay/relay.yaml:5:24 mail.limits.recipient: must be letters in a time, such as'],
    ['{ recipient: 0/h }', '5:24 mail.limits.recipient: must be letters in a time'],
    ['{ recipient: 60/w }', '5:24 mail.limits.recipient: must be letters in a time'],
    ['{ recipient: 60/0h }', '5:24 mail.limits.recipient: must be letters in a time'],
    ['{ recipient: 60/999d }', '5:24 mail.limits.recipient: must be letters in a time'],
    ['{ recipient: { burst: 3 } }', '5:13 mail.limits.recipient.rate: is missing'],
    ['{ recipient: { rate: 6/h, burst: 7 } }', '5:44 mail.limits.recipient.burst: must be at most 6'],
    ['{ recipients: 60/h }', '5:13 mail.limits.recipients: is not known here: did you mean recipient?'],
    [
      '{ channel: 2/h }',
      '5:22 mail.limits.channel: is shared by the 4 partitions of the log, so it must be at least 4: write 48/d',
    ],
    [
      '{ domain: 3/d }',
      '5:21 mail.limits.domain: is shared by the 4 partitions of the log, so it must be at least 4: raise it',
    ],
  ])('%s is refused at its place', (limits, message) => {
    const { said } = read(limits)
    expect(said).toHaveLength(1)
    expect(said[0]).toContain(message)
  })

  it('are shared by as many partitions as the log has', () => {
    expect(read('{ channel: 2/h }', 'log: { embedded: { partitions: 2 } }').said).toEqual([])
    expect(read('{ channel: 11/h }', 'log: { kafka: { brokers: [kafka:9092] } }').said[0]).toContain('12 partitions')
  })
})
