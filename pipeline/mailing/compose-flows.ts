import type { Notice } from '../../schemas/generated.ts'
import { batchLetter } from '../letters/batch-letter.ts'
import { flowLetter } from '../letters/flow-letter.ts'
import type { Composed, LetterTerms } from './composed.ts'
import { lookUpLetterFacts } from './letter-facts.ts'

/** The letter of one notice of a flow, or of several; what stands only on the server (uploads, results) is fetched now. */
export const composeFlows = async (
  notices: readonly [Notice, ...Notice[]],
  { velociraptor, guiUrl, now, mostAttachedBytes }: LetterTerms,
): Promise<Composed> => {
  const [notice, ...more] = notices
  const html = notice.flow_letter?.html ?? true
  if (more.length > 0) return { letter: batchLetter(notices, { now, guiUrl }), html, attachments: [] }
  const { attachments, ...facts } = await lookUpLetterFacts(velociraptor, notice, mostAttachedBytes)
  return { letter: flowLetter(notice, { now, guiUrl, ...facts }), html, attachments }
}
