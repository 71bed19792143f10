import { flag, oneOf, pattern, readParameters, someOf, text, whole } from '../config/parameters.ts'
import type { Reading, ValuesOf } from '../config/parameters.ts'
import type { Path } from '../config/problem.ts'
import { limitCell, patternCell, table } from '../config/table-parameter.ts'
import {
  clientMetadata,
  defaultSecret,
  executorDomains,
  recipients,
  sender,
  sendInterval,
  spacing,
} from './mail-parameters.ts'

const tenYearsS = 315_360_000
const mostRows = 100
const longestCell = 10_000

/** The parameters of Server.Monitor.FlowCompletion under the artifact's own names. */
export const flowCompletionParameters = {
  Secret: text(defaultSecret, 'The mail channel: a name under `mail.channels`'),
  Recipients: recipients('Who is told of every flow; a display name is allowed'),
  NotifyExecutor: flag(false, 'Also tell the user who started the flow'),
  NotifyExecutorDomains: executorDomains,
  NotifyMetadataEMail: text('', 'Client metadata field whose value is an address that is told too'),
  Sender: sender('The From address; blank: that of the mail channel'),
  HTML: flag(true, 'Send an HTML part beside the plain text'),
  ArtifactsToAlertOn: pattern('.+', 'At least one requested artifact must match; blank: any'),
  ArtifactsToIgnore: pattern(
    '^(Custom\\.)?Generic\\.Client\\.Info$',
    'A flow of exactly one artifact is not told when it matches; blank: none',
  ),
  ClientLabelsToAlertOn: pattern('.+', 'A labelled client needs a matching label; blank: any'),
  ClientLabelsToIgnore: pattern('', 'A client with a matching label is not told of; blank: none'),
  NotifyHunts: flag(false, 'Tell of flows that a hunt made'),
  NewClientArtifacts: pattern(
    '',
    'Flows of new clients with a matching artifact are told whatever the filters say; blank: none',
  ),
  ArtifactPermToAlertOn: pattern(
    '',
    'At least one requested artifact must require a matching permission; blank: any flow',
  ),
  NewClientThreshold: whole(300, 'Seconds for which a client counts as new', { most: tenYearsS }),
  ErrorHandling: someOf(
    ['IncludeHunts', 'IgnoreCancelled', 'IgnoreArtifactFilters', 'IgnoreDelay'],
    ['IgnoreCancelled'],
    'What failed flows bypass (hunt filter, artifact filters, delay); IgnoreCancelled: cancelled flows are not told',
  ),
  DelayThreshold: whole(10, 'Least seconds from creation to completion, inclusive; 0: any', { most: tenYearsS }),
  SendInterval: sendInterval,
  KeepEmptyRows: flag(false, 'Keep rows without a value in the tables of the letter'),
  ClientMetadata: clientMetadata,
  IncludeUploadsTableRows: whole(10, 'Rows of the uploads table, 100 at most; 0: no table', { cap: mostRows }),
  IncludeResultTableFrom: table({
    description:
      'Results to show: Source and Columns are patterns; MaxRows up to 100, CellLimit up to 10000 characters',
    columns: ['Source', 'Columns', 'MaxRows', 'CellLimit'],
    unique: 'Source',
    readRow(row) {
      const Source = patternCell(row, 'Source')
      const Columns = patternCell(row, 'Columns')
      const MaxRows = limitCell(row, 'MaxRows', mostRows)
      const CellLimit = limitCell(row, 'CellLimit', longestCell)
      if (Source === undefined || Columns === undefined || MaxRows === undefined || CellLimit === undefined)
        return undefined
      return { Source, Columns, MaxRows, CellLimit }
    },
  }),
  ResultTableMaxColumns: whole(4, 'Columns of a result table; 0: all, without headings', { least: 0 }),
  IncludeResultAttachmentFrom: table({
    description: 'Results to attach: Source and Columns are patterns; MaxRows blank or 0: all',
    columns: ['Source', 'Columns', 'MaxRows'],
    unique: 'Source',
    readRow(row) {
      const Source = patternCell(row, 'Source')
      const Columns = patternCell(row, 'Columns')
      const MaxRows = limitCell(row, 'MaxRows', null)
      return Source === undefined || Columns === undefined || MaxRows === undefined
        ? undefined
        : { Source, Columns, MaxRows }
    },
  }),
  AttachmentFormat: oneOf(['csv', 'jsonl'], 'jsonl', 'Format of attached results'),
  AttachmentsMaxMiB: whole(100, 'MiB of attachments in one letter', { least: 0, most: 1024 }),
  NotifyIfResultsLabels: pattern(
    '^notify_results$',
    'Flows with rows are told whatever the filters say, when a client label or hunt tag matches; blank: none',
  ),
  NotifyIfUploadsLabels: pattern(
    '^notify_uploads$',
    'Flows with uploads are told whatever the filters say, when a client label or hunt tag matches; blank: none',
  ),
}

/**
 * Parameters of Server.Monitor.FlowCompletion, ready to use: limits within their bounds, patterns compiled, `SendInterval` in
 * seconds or -1 for none, `Sender` null when blank, `MaxRows` of an attachment null for all.
 */
export type FlowCompletionParameters = ValuesOf<typeof flowCompletionParameters>

/** Reads the parameters; reports everything that is wrong or looks unmeant. null when there was an error. */
export const readFlowCompletionParameters = (
  value: unknown,
  path: Path,
  reading: Reading,
): FlowCompletionParameters | null => {
  const read = readParameters(flowCompletionParameters, value, path, reading)
  if (read === null) return null
  const warn = (name: string, message: string): void => reading.report([...path, name], message, { level: 'warning' })
  if (read.Recipients.length === 0 && !read.NotifyExecutor && read.NotifyMetadataEMail === '')
    warn('Recipients', 'nobody is told by this monitor: set Recipients, NotifyExecutor or NotifyMetadataEMail')
  if (read.NotifyExecutorDomains.length > 0 && !read.NotifyExecutor)
    warn('NotifyExecutorDomains', 'does nothing without NotifyExecutor: true (D-20)')
  return {
    ...read,
    SendInterval: spacing(read.SendInterval),
    IncludeUploadsTableRows: Math.max(0, read.IncludeUploadsTableRows),
  }
}
