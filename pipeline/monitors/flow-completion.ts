import { identity, pipe } from 'rxjs'
import { addressedTo } from '../../operators/addressed-to.ts'
import { dedupWindow, type WindowRule } from '../../operators/dedup-window.ts'
import { artifactFilter } from '../../operators/filters/artifact-filter.ts'
import { cancelledFilter } from '../../operators/filters/cancelled-filter.ts'
import { delayFilter } from '../../operators/filters/delay-filter.ts'
import { huntFilter } from '../../operators/filters/hunt-filter.ts'
import { labelFilter } from '../../operators/filters/label-filter.ts'
import { permissionFilter } from '../../operators/filters/permission-filter.ts'
import { serverFilter } from '../../operators/filters/server-filter.ts'
import { type FlowField, likeness } from '../../operators/flow-fields.ts'
import { isFailed, isNewClient } from '../../operators/flow-facts.ts'
import { type Filter, objectTo } from '../../operators/object-to.ts'
import { overruleFor } from '../../operators/overrule-for.ts'
import { labelledResults, labelledUploads } from '../../operators/overrides/labelled.ts'
import { newClients } from '../../operators/overrides/new-clients.ts'
import { recipients, type RecipientRule } from '../../operators/recipients.ts'
import { type RepeatRule, withoutRepeats } from '../../operators/without-repeats.ts'
import type { FlowEvent, FlowLetterOptions } from '../../schemas/generated.ts'
import type { DedupSettings, FlowCompletionSettings } from '../config/configuration.ts'
import { flowCompletions } from '../sources/queue-source.ts'
import type { FlowCompletionParameters } from './flow-completion-parameters.ts'
import type { FlowMonitor } from './monitor.ts'

const completedAgain: RepeatRule<FlowEvent> = {
  identityOf: ({ told_once_as }) => told_once_as,
  idOf: ({ id }) => id,
  timeOf: ({ received_at }) => received_at,
  reason: 'completed again',
}

const windowRule = ({ windowMs, window, by }: DedupSettings<FlowField>): WindowRule<FlowEvent> => ({
  windowMs,
  keyOf: (event) => likeness(event, by),
  idOf: ({ id }) => id,
  timeOf: ({ received_at }) => received_at,
  reason: `like one told less than ${window} before`,
})

const recipientRule = (p: FlowCompletionParameters, allowedDomains: readonly string[] | null): RecipientRule => ({
  fixed: p.Recipients,
  creator: p.NotifyExecutor
    ? { domains: p.NotifyExecutorDomains.map(({ UsernameRegex, Domain }) => ({ user: UsernameRegex, domain: Domain })) }
    : null,
  metadataField: p.NotifyMetadataEMail,
  allowedDomains,
})

const mebibyte = 1_048_576

const letterOptions = (p: FlowCompletionParameters, event: FlowEvent): FlowLetterOptions => ({
  html: p.HTML,
  keep_empty_rows: p.KeepEmptyRows,
  new_client: isNewClient(event, p.NewClientThreshold),
  client_metadata: p.ClientMetadata.map(({ Field, Alias }) => ({ field: Field, alias: Alias })),
  uploads_rows: p.IncludeUploadsTableRows,
  result_tables: p.IncludeResultTableFrom.map(({ Source, Columns, MaxRows, CellLimit }) => ({
    source: Source.text,
    columns: Columns.text,
    most_rows: MaxRows,
    longest_cell: CellLimit,
  })),
  result_columns: p.ResultTableMaxColumns,
  attachments: p.IncludeResultAttachmentFrom.map(({ Source, Columns, MaxRows }) => ({
    source: Source.text,
    columns: Columns.text,
    most_rows: MaxRows ?? 0,
  })),
  attachment_format: p.AttachmentFormat,
  most_attached_bytes: p.AttachmentsMaxMiB * mebibyte,
})

/** A filter of what ran on clients: of a collection on the server nothing was looked up that it could judge. */
const ofClients =
  (filter: Filter<FlowEvent>): Filter<FlowEvent> =>
  (event) =>
    event.client.id === 'server' ? null : filter(event)

/** A monitor by the rules of Server.Monitor.FlowCompletion. */
export const flowCompletionMonitor = (
  { name, artifact, channel, parameters: p, dedup, batch }: FlowCompletionSettings,
  allowedDomains: readonly string[] | null,
): FlowMonitor => {
  const bypasses = new Set<string>(p.ErrorHandling)
  const artifacts = {
    alertOn: p.ArtifactsToAlertOn,
    ignore: p.ArtifactsToIgnore,
    exceptFailed: bypasses.has('IgnoreArtifactFilters'),
  }
  return {
    event: 'FlowEvent',
    name,
    artifact,
    sources: [flowCompletions],
    channel,
    sender: p.Sender,
    batch,
    chain: ({ told, windows }) =>
      pipe(
        objectTo(
          serverFilter(),
          ofClients(artifactFilter(artifacts)),
          ofClients(delayFilter({ thresholdS: p.DelayThreshold, exceptFailed: bypasses.has('IgnoreDelay') })),
          ofClients(huntFilter({ letHunts: p.NotifyHunts, exceptFailed: bypasses.has('IncludeHunts') })),
          ofClients(cancelledFilter({ ignoreCancelled: bypasses.has('IgnoreCancelled') })),
          ofClients(labelFilter({ alertOn: p.ClientLabelsToAlertOn, ignore: p.ClientLabelsToIgnore })),
          ofClients(permissionFilter({ alertOn: p.ArtifactPermToAlertOn })),
        ),
        overruleFor(
          newClients({ artifacts: p.NewClientArtifacts, thresholdS: p.NewClientThreshold }),
          labelledResults(p.NotifyIfResultsLabels),
          labelledUploads(p.NotifyIfUploadsLabels),
        ),
        // First who is told, then whether: what nobody was told of is no reason to keep silent about the next one.
        addressedTo<FlowEvent>(recipients(recipientRule(p, allowedDomains))),
        withoutRepeats(told, completedAgain, dedup === null ? identity : dedupWindow(windows, windowRule(dedup))),
      ),
    // The artifacts call an error medium unless told otherwise.
    noticeOf: (event, whole = event) => ({
      flow: whole,
      flow_letter: letterOptions(p, event),
      severity: isFailed(event) ? 'medium' : '',
    }),
  }
}
