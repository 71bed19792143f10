import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { recipients, type RecipientRule } from '../../operators/recipients.ts'
import { compilePattern } from '../../schemas/pattern.ts'
import { flowEvent } from './flow-events.ts'

const soc = { address: 'soc@example.org', name: '' }
const domains = (...rows: readonly (readonly [string, string])[]): RecipientRule['creator'] => ({
  domains: rows.map(([user, domain]) => ({ user: compilePattern(user), domain })),
})
const addressed = (rule: Partial<RecipientRule>, creator = 'analyst1', owner?: string) => {
  const whole: RecipientRule = { fixed: [soc], creator: null, metadataField: '', allowedDomains: null, ...rule }
  const metadata = owner === undefined ? [] : [{ field: 'owner', value: owner }]
  const found = recipients(whole)(flowEvent({ flow: { creator }, client: { metadata } }))
  return { to: found.recipients.map(({ address }) => address), warnings: found.warnings }
}

describe('the recipients', () => {
  it('are the fixed ones, with their names', () => {
    const rule: RecipientRule = {
      fixed: [{ address: 'a@example.org', name: 'A' }],
      creator: null,
      metadataField: '',
      allowedDomains: null,
    }
    expect(recipients(rule)(flowEvent()).recipients).toEqual([{ address: 'a@example.org', name: 'A' }])
  })

  it('are, of a creator that is an address, itself, whatever the domains say', () => {
    expect(addressed({ creator: domains(['.*', 'lab.example.org']) }, 'a@example.org').to).toEqual([
      'soc@example.org',
      'a@example.org',
    ])
  })

  it.each(['', 'InterrogationService', 'VelociraptorServer'])('are never a service principal: %j', (creator) => {
    expect(addressed({ creator: domains(['.*', 'example.org']) }, creator)).toEqual({
      to: ['soc@example.org'],
      warnings: [],
    })
  })

  it('are told of a creator that makes no address, without repeating it', () => {
    const { to, warnings } = addressed({ creator: domains(['.*', 'example.org']) }, 'two words')
    expect(to).toEqual(['soc@example.org'])
    expect(warnings).toEqual([expect.stringMatching(/^creator: entry 1 /)])
    expect(warnings.join()).not.toContain('two words')
  })

  it('are all addresses of the metadata field, the bad ones left out with a warning', () => {
    const { to, warnings } = addressed({ metadataField: 'owner' }, '', 'O <o@example.org>; nobody, p@example.org')
    expect(to).toEqual(['soc@example.org', 'o@example.org', 'p@example.org'])
    expect(warnings).toEqual([expect.stringMatching(/^metadata: entry 2 /)])
  })

  it('of a metadata field with thousands of entries are 200, and what is left out is counted', () => {
    const owners = Array.from({ length: 3000 }, (_, n) => `o${n}@example.org, nobody`).join()
    const { to, warnings } = addressed({ metadataField: 'owner' }, '', owners)
    expect(to).toHaveLength(201)
    expect(warnings).toHaveLength(22)
    expect(warnings.slice(-2)).toEqual([
      'metadata: 2980 more entries are no addresses either',
      'metadata: more than 200 addresses: the last 2800 left out',
    ])
  })

  it('from creators and metadata lie in the allowed domains; fixed ones may be anywhere', () => {
    const rule = {
      fixed: [{ address: 'x@net.example.org', name: '' }],
      creator: domains(),
      metadataField: 'owner',
      allowedDomains: ['example.org'],
    }
    const { to, warnings } = addressed(rule, 'a@lab.example.org', 'o@Example.ORG, p@sub.example.org')
    expect(to).toEqual(['x@net.example.org', 'o@Example.ORG'])
    expect(warnings).toEqual([
      '1 address(es) outside the allowed domains left out',
      '1 address(es) outside the allowed domains left out',
    ])
  })

  it('are each there once, without regard to case, and the first spelling is kept', () => {
    expect(
      addressed({ creator: domains(), metadataField: 'owner' }, 'SOC@Example.org', 'soc@EXAMPLE.org, Soc@example.org')
        .to,
    ).toEqual(['soc@example.org'])
  })

  it('are unique without case whatever the sources hold, and none of the fixed is missing', () => {
    const address = fc.stringMatching(/^[abAB]{1,2}$/).map((local) => `${local}@example.org`)
    fc.assert(
      fc.property(
        fc.array(address, { maxLength: 4 }),
        address,
        fc.array(address, { maxLength: 3 }),
        (fixed, creator, owners) => {
          const { to } = addressed(
            { fixed: fixed.map((each) => ({ address: each, name: '' })), creator: domains(), metadataField: 'owner' },
            creator,
            owners.join(', '),
          )
          const lower = to.map((each) => each.toLowerCase())
          expect(new Set(lower).size).toBe(lower.length)
          expect(new Set(lower)).toEqual(new Set([...fixed, creator, ...owners].map((each) => each.toLowerCase())))
        },
      ),
    )
  })
})
