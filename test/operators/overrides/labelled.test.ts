import { describe, expect, it } from 'vitest'
import { labelledResults, labelledUploads } from '../../../operators/overrides/labelled.ts'
import { compilePattern } from '../../../schemas/pattern.ts'
import { flowEvent, query } from '../flow-events.ts'

const labelled = compilePattern('^notify$')
const event = ({ labels = [] as string[], tags = null as string[] | null, rows = 0, uploads = 0 }) =>
  flowEvent({
    client: { labels },
    flow: { queries: [query({}), query({ rows, uploads })] },
    event: { hunt: tags === null ? null : { id: 'H.1', known: true, description: '', tags } },
  })

describe('the overrides of labels', () => {
  it.each([
    ['a matching label and rows', { labels: ['x', 'Notify'], rows: 1 }, true, false],
    ['a matching label and uploads', { labels: ['notify'], uploads: 1 }, false, true],
    ['a matching hunt tag and both', { tags: ['notify'], rows: 2, uploads: 1 }, true, true],
    ['a matching label and neither', { labels: ['notify'] }, false, false],
    ['another label and both', { labels: ['notify_me'], rows: 1, uploads: 1 }, false, false],
    ['no label, no hunt, and both', { rows: 1, uploads: 1 }, false, false],
  ])('apply to %s', (_, given, byResults, byUploads) => {
    expect(labelledResults(labelled).appliesTo(event(given))).toBe(byResults)
    expect(labelledUploads(labelled).appliesTo(event(given))).toBe(byUploads)
  })

  it('apply to none when the pattern is blank', () => {
    const everything = event({ labels: [''], tags: [''], rows: 1, uploads: 1 })
    expect(labelledResults(compilePattern('')).appliesTo(everything)).toBe(false)
    expect(labelledUploads(compilePattern('')).appliesTo(everything)).toBe(false)
  })

  it('have names of their own', () => {
    expect([labelledResults(labelled).name, labelledUploads(labelled).name]).toEqual(['results label', 'uploads label'])
  })
})
