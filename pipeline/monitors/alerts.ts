import { identity, pipe } from 'rxjs'
import { addressedTo } from '../../operators/addressed-to.ts'
import { type AlertField, alertLikeness } from '../../operators/alert-fields.ts'
import { severityBy } from '../../operators/alert-severity.ts'
import { dedupWindow, type WindowRule } from '../../operators/dedup-window.ts'
import { messageFilter } from '../../operators/filters/message-filter.ts'
import { ownFilter } from '../../operators/filters/own-filter.ts'
import { severityFilter } from '../../operators/filters/severity-filter.ts'
import { objectTo } from '../../operators/object-to.ts'
import { recipients, type RecipientRule } from '../../operators/recipients.ts'
import { type RepeatRule, withoutRepeats } from '../../operators/without-repeats.ts'
import type { AlertEvent, AlertLetterOptions } from '../../schemas/generated.ts'
import { ownKindOf } from '../../schemas/own-alerts.ts'
import type { AlertsSettings, DedupSettings, SettingsOf } from '../config/configuration.ts'
import { alerts } from '../sources/queue-source.ts'
import type { AlertsParameters } from './alerts-parameters.ts'
import type { AlertMonitor } from './monitor.ts'

/** An alert is told once. */
export const toldBefore: RepeatRule<AlertEvent> = {
  identityOf: ({ told_once_as }) => told_once_as,
  idOf: ({ id }) => id,
  timeOf: ({ received_at }) => received_at,
  reason: 'told before',
}

/** Which alerts are alike, for how long. */
export const windowRule = (
  { windowMs, window, by }: DedupSettings<AlertField>,
  severityOf: (event: AlertEvent) => string,
): WindowRule<AlertEvent> => ({
  windowMs,
  keyOf: (event) => alertLikeness(event, by.includes('alert.severity') ? severityOf(event) : '', by),
  idOf: ({ id }) => id,
  timeOf: ({ received_at }) => received_at,
  reason: `like one told less than ${window} before`,
})

const recipientRule = (p: AlertsParameters, allowedDomains: readonly string[] | null): RecipientRule => ({
  fixed: p.Recipients,
  creator: p.NotifyExecutor
    ? { domains: p.NotifyExecutorDomains.map(({ UsernameRegex, Domain }) => ({ user: UsernameRegex, domain: Domain })) }
    : null,
  metadataField: '',
  allowedDomains,
})

const letterOptions = (p: AlertsParameters, severity: string): AlertLetterOptions => ({
  html: p.HTML,
  keep_empty_rows: p.KeepEmptyRows,
  severity,
  severity_members: [...new Set([...p.SeverityTransforms.map(({ member }) => member), 'Severity'])],
  client_details: p.IncludeClientDetails,
  client_metadata: p.ClientMetadata.map(({ Field, Alias }) => ({ field: Field, alias: Alias })),
  flow_details: p.IncludeFlowDetails,
  artifact_details: p.IncludeArtifactDetails,
  flatten: p.FlattenContext,
  context_include: p.ContextInclude.text,
  context_exclude: p.ContextExclude.text,
  longest_key: p.ContextFieldLimit,
  longest_value: p.ContextValueLimit,
  most_rows: p.ContextRowLimit,
})

/** Whatever monitor tells alerts by these rules. */
type LetterSettings = SettingsOf<string, AlertsParameters, AlertField> & Pick<AlertsSettings, 'about'>

/** A monitor by the rules of Server.Monitor.Alerts. */
export const alertsMonitor = (
  { name, artifact, channel, parameters: p, dedup, batch, about }: LetterSettings,
  allowedDomains: readonly string[] | null,
): AlertMonitor => {
  const severityOf = severityBy(p.SeverityTransforms)
  return {
    event: 'AlertEvent',
    name,
    artifact,
    sources: [alerts],
    channel,
    sender: p.Sender,
    batch,
    ...(about === undefined ? {} : { concerns: (event: AlertEvent) => ownKindOf(event) === about }),
    chain: ({ told, windows }) =>
      pipe(
        objectTo(
          ...(about === undefined ? [ownFilter] : []),
          messageFilter({ include: p.AlertMsgInclude, exclude: p.AlertMsgExclude }),
          severityFilter({ threshold: p.SeverityThreshold, severityOf }),
        ),
        // First who is told, then whether: what nobody was told of is no reason to keep silent about the next one.
        addressedTo<AlertEvent>(recipients(recipientRule(p, allowedDomains))),
        withoutRepeats(
          told,
          toldBefore,
          dedup === null ? identity : dedupWindow(windows, windowRule(dedup, severityOf)),
        ),
      ),
    noticeOf: (event, whole = event) => {
      const severity = severityOf(event)
      return { alert: whole, alert_letter: letterOptions(p, severity), severity }
    },
  }
}
