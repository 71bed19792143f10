import type { AlertLetterOptions, Notice } from '../../../schemas/generated.ts'
import { type AlertDifference, alertEvent, T } from '../../operators/alert-events.ts'
import { noticeWith } from './notices.ts'

/** The letter is written two seconds after the alert. */
export const ALERT_CONTEXT = { now: T + 2000, guiUrl: 'https://velociraptor.example.org/app/index.html' }

/** What the artifact shows by default. */
export const ALERT_OPTIONS: AlertLetterOptions = {
  html: true,
  keep_empty_rows: false,
  severity: '',
  severity_members: ['level', 'Level', 'severity', 'Severity'],
  client_details: true,
  client_metadata: [],
  flow_details: true,
  artifact_details: false,
  flatten: true,
  context_include: '.+',
  context_exclude: '',
  longest_key: 100,
  longest_value: 1000,
  most_rows: 30,
}

interface AlertNotice extends AlertDifference {
  readonly options?: Partial<AlertLetterOptions>
  readonly notice?: Partial<Notice>
}

/** The notice of an alert, told to soc@example.org. */
export const alertNotice = ({ options, notice, ...difference }: AlertNotice = {}): Notice =>
  noticeWith({
    notice: {
      monitor: 'soc',
      artifact: 'Server.Monitor.Alerts',
      noticed_at: T + 1000,
      event_at: { topic: 'events.alerts', partition: 0, offset: 0 },
      flow: null,
      flow_letter: null,
      alert: alertEvent(difference),
      alert_letter: { ...ALERT_OPTIONS, ...options },
      ...notice,
    },
  })
