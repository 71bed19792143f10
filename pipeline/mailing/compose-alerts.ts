import { ConnectorError } from '../../connectors/errors.ts'
import { lookUpArtifact } from '../../connectors/velociraptor/artifact-records.ts'
import type { Notice } from '../../schemas/generated.ts'
import { alertBatchLetter } from '../letters/alert-batch-letter.ts'
import { type AlertContext, alertLetter } from '../letters/alert-letter.ts'
import { artifactFacts } from './artifact-facts.ts'
import type { Composed, LetterTerms } from './composed.ts'

/** The letter of one notice of an alert, or of several; what stands only on the server (the artifact) is fetched now. */
export const composeAlerts = async (notices: readonly [Notice, ...Notice[]], terms: LetterTerms): Promise<Composed> => {
  const [notice, ...more] = notices
  const { guiUrl, now } = terms
  const html = notice.alert_letter?.html ?? true
  const letter =
    more.length > 0
      ? alertBatchLetter(notices, { now, guiUrl })
      : alertLetter(notice, { now, guiUrl, ...(await lookUpDetails(notice, terms)) })
  return { letter, html, attachments: [] }
}

const lookUpDetails = async (
  { alert, alert_letter: options }: Notice,
  { velociraptor, now }: LetterTerms,
): Promise<Pick<AlertContext, 'artifactDetails' | 'remarks'>> => {
  if (alert === null || options?.artifact_details !== true || alert.artifact === '') return {}
  const [artifact = ''] = alert.artifact.split('/')
  const isOfClients = alert.artifact_type === 'CLIENT_EVENT'
  try {
    const record = await lookUpArtifact(velociraptor, alert.org, { artifact, isOfClients, now })
    const isGone = record.definition === null
    return {
      artifactDetails: artifactFacts(record, isOfClients),
      ...(isGone ? { remarks: ['The server no longer has the artifact that raised it.'] } : {}),
    }
  } catch (cause) {
    if (!(cause instanceof ConnectorError)) throw cause
    return { remarks: ['The artifact that raised it could not be looked up on the server.'] }
  }
}
