import type { Notice } from '../../schemas/generated.ts'
import { alertBatchLetter } from '../letters/alert-batch-letter.ts'
import { alertLetter } from '../letters/alert-letter.ts'
import type { Composed, LetterTerms } from './composed.ts'

/** The letter of one notice of an alert, or of several. */
export const composeAlerts = async (
  notices: readonly [Notice, ...Notice[]],
  { guiUrl, now }: LetterTerms,
): Promise<Composed> => {
  const [notice, ...more] = notices
  const html = notice.alert_letter?.html ?? true
  const letter = more.length > 0 ? alertBatchLetter(notices, { now, guiUrl }) : alertLetter(notice, { now, guiUrl })
  return Promise.resolve({ letter, html, attachments: [] })
}
