import { hasSteeringColumn, hasTypedCell, lacksColumn, lacksSeverity, logTableHere } from './log-tables.ts'

/** Where the relay deliberately does otherwise than the server's artifact. */
export interface Difference {
  /** Of the behaviour reference: D-01. */
  readonly id: string
  readonly parameter: string
  /** What is different, for somebody who used the artifact. */
  readonly text: string
  /** Whether it concerns a value, undefined for one that is not set; left out: whatever is set. */
  readonly concerns?: (value: string | undefined) => boolean
  /** What to write in place of a value that the relay refuses, so that it does what the server did. */
  readonly instead?: (value: string) => string | null
}

const always = (): boolean => true
const ifUnset = (value: string | undefined): boolean => value === undefined
const ifBlank = (value: string | undefined): boolean => (value ?? '').trim() === ''
const ifMatchesAll = (value: string | undefined): boolean => value === '.' || value === '.*'
const ifBelow = (least: number) => (value: string | undefined) => value !== undefined && Number(value) < least
const taken = (least: number, becomes: string) => (value: string) => (Number(value) < least ? becomes : null)

/** Differences of parameters that several artifacts have. */
const shared: readonly Difference[] = [
  {
    id: 'D-26',
    parameter: 'Recipients',
    text: 'each recipient gets a letter alone and sees no other; an address that is none is left out with a warning, where the server fails the whole letter.',
  },
  {
    id: 'D-22',
    parameter: 'NotifyExecutorDomains',
    text: 'the first row that matches gives the address, where the server writes to the addresses of all of them.',
  },
  {
    id: 'D-27',
    parameter: 'Sender',
    text: "wins over the mail channel's from, where a from in the server's secret wins.",
  },
  {
    id: 'D-58',
    parameter: 'SendInterval',
    text: 'not set: nothing is spaced, where the server drops what comes within 10 s of any letter.',
    concerns: ifUnset,
  },
  {
    id: 'D-55',
    parameter: 'SendInterval',
    text: 'least seconds between two letters of this monitor to one recipient; what comes meanwhile is gathered into one letter, where the server drops it.',
    concerns: (value) => value !== undefined && !/^\s*-/.test(value),
  },
  {
    id: 'D-48',
    parameter: 'ClientMetadata',
    text: 'of two rows for one field the first holds, where the server takes the last.',
  },
  {
    id: 'D-45',
    parameter: 'HTML',
    text: 'the text part too has headings and a footer; in the HTML part everything foreign is escaped (D-30).',
  },
]

const serviceUsers: Difference = {
  id: 'D-21',
  parameter: 'NotifyExecutor',
  text: 'users that are services, such as InterrogationService, never give an address.',
}

const flowCompletion: readonly Difference[] = [
  ...shared,
  serviceUsers,
  {
    id: 'D-20',
    parameter: 'NotifyExecutorDomains',
    text: 'does something only with NotifyExecutor; the server writes to these addresses without it too.',
  },
  {
    id: 'D-26',
    parameter: 'NotifyMetadataEMail',
    text: 'a value may hold several addresses; with allowed_domains only those domains are written to.',
  },
  {
    id: 'D-01',
    parameter: 'NewClientArtifacts',
    text: 'blank means none, where the server tells every flow of a client younger than NewClientThreshold. Write .+ for that.',
    concerns: ifBlank,
  },
  {
    id: 'D-02',
    parameter: 'NewClientArtifacts',
    text: "a client's age goes by its own clock only where that is plausible, else by the server's.",
    concerns: (value) => !ifBlank(value),
  },
  {
    id: 'D-03',
    parameter: 'NotifyHunts',
    text: 'a flow is of a hunt when its id is F.….H; the server also takes other ids that end in H.',
  },
  {
    id: 'D-06',
    parameter: 'ErrorHandling',
    text: 'a flow that ended at a limit is a failure and not cancelled, also where its status says Cancelled.',
  },
  {
    id: 'D-10',
    parameter: 'ClientLabelsToIgnore',
    text: 'a client without labels never matches, where the server ignores it too with . or .*',
    concerns: ifMatchesAll,
  },
  {
    id: 'D-10',
    parameter: 'NotifyIfResultsLabels',
    text: 'a client without labels never matches, where the server takes it with . or .*',
    concerns: ifMatchesAll,
  },
  {
    id: 'D-10',
    parameter: 'NotifyIfUploadsLabels',
    text: 'a client without labels never matches, where the server takes it with . or .*',
    concerns: ifMatchesAll,
  },
  {
    id: 'D-32',
    parameter: 'KeepEmptyRows',
    text: 'what has no value is shown empty, where the server writes Null.',
  },
  {
    id: 'D-44',
    parameter: 'IncludeUploadsTableRows',
    text: 'a sparse file is listed once, where the server lists its index as a second upload.',
  },
  {
    id: 'D-35',
    parameter: 'IncludeResultTableFrom',
    text: 'a blank limit means the most there can be (100 rows, 10000 characters), where the server shows all; of two rows for one source the first holds (D-38); cells are text (D-46).',
  },
  {
    id: 'D-34',
    parameter: 'ResultTableMaxColumns',
    text: 'columns with a dot in their name are shown, where the server leaves their cells empty.',
  },
  {
    id: 'D-40',
    parameter: 'IncludeResultAttachmentFrom',
    text: 'results arrive whole; the server cuts each at 4 MiB, and in some versions attaches none (D-39).',
  },
  {
    id: 'D-41',
    parameter: 'AttachmentsMaxMiB',
    text: 'what does not fit is listed with its size and a link, where the server then attaches nothing at all.',
  },
  {
    id: 'D-42',
    parameter: 'AttachmentFormat',
    text: 'attachments bear their full name, where the server cuts one of the two at its first dot.',
  },
]

const alerts: readonly Difference[] = [
  ...shared,
  serviceUsers,
  {
    id: 'D-25',
    parameter: 'NotifyExecutor',
    text: 'works without IncludeFlowDetails too.',
  },
  {
    id: 'D-78',
    parameter: 'ServerSecret',
    text: "names a mail channel of this file. The artifact's guide calls it Secret.",
  },
  {
    id: 'D-70',
    parameter: 'SeverityTransforms',
    text: 'a match becomes the whole word (warn and warning: medium), where the server keeps the rest of the text (D-71), and no match changes nothing.',
    concerns: always,
  },
  {
    id: 'D-74',
    parameter: 'SeverityThreshold',
    text: 'compared as text without regard to case, where the server takes HIGH and high for two.',
  },
  {
    id: 'D-33',
    parameter: 'KeepEmptyRows',
    text: '0, negative numbers and false are shown in any case; only what is null or empty counts as empty.',
    concerns: always,
  },
  {
    id: 'D-76',
    parameter: 'IncludeArtifactDetails',
    text: 'rows have stable names, and each time of change is that of its own kind of change.',
  },
  {
    id: 'D-36',
    parameter: 'ContextRowLimit',
    text: 'holds for the text part too; no limit cannot be had: 100 rows at most.',
    instead: taken(1, '100'),
  },
  {
    id: 'D-37',
    parameter: 'ContextFieldLimit',
    text: 'below 2 cannot be had, and the server then shows the whole key: 1000 characters, the most there can be.',
    concerns: ifBelow(2),
    instead: taken(2, '1000'),
  },
  {
    id: 'D-35',
    parameter: 'ContextValueLimit',
    text: 'no limit cannot be had: 10000 characters at most.',
    concerns: ifBelow(1),
    instead: taken(1, '10000'),
  },
]

const userMessage: readonly Difference[] = [
  {
    id: 'D-95',
    parameter: 'RecipientRoles',
    text: 'blank means any role and none; .+ needs a role, as on the server, whose guide says otherwise.',
  },
  {
    id: 'D-98',
    parameter: 'Recipients',
    text: 'the first message of a burst comes at once, the rest gathered into one for each user, where the server sends each.',
    concerns: always,
  },
  {
    id: 'D-97',
    parameter: 'AlertMsgInclude',
    text: 'alerts that speak for a client, as those of the error monitors do, name that client, where the server writes server.',
    concerns: always,
  },
]

const logTableDifferences = (parameter: 'IncludeFilter' | 'ExcludeFilter'): readonly Difference[] => [
  {
    id: 'D-46',
    parameter,
    text: 'cells are text: 404 is a pattern, where the server takes it for a number that matches nothing.',
    concerns: hasTypedCell,
  },
  {
    id: 'D-89',
    parameter,
    text: 'Artifact, Level and Message must be columns; a blank one that was missing matches anything, where the server compares what is in the log with itself.',
    concerns: lacksColumn,
    instead: logTableHere,
  },
]

const errors: readonly Difference[] = [
  {
    id: 'D-86',
    parameter: 'Period',
    text: 'logs are read on from where reading ended, so that nothing is missed in a pause and nothing is seen twice.',
    concerns: always,
  },
  {
    id: 'D-85',
    parameter: 'DedupInterval',
    text: 'severities are held apart, and the next alert says how many were kept silent, where the server loses them.',
    concerns: always,
  },
  {
    id: 'D-60',
    parameter: 'DedupInterval',
    text: 'holds over restarts and changes of the event table, and for its whole length, where the server forgets it then, and after an hour of silence.',
    concerns: always,
  },
  {
    id: 'D-87',
    parameter: 'IncludeFilter',
    text: 'logs of artifacts with named sources are read too (Artifact/Source), and of artifacts that the table names without parameters (D-92).',
    concerns: always,
  },
  ...logTableDifferences('IncludeFilter'),
  {
    id: 'D-65',
    parameter: 'IncludeFilter',
    text: 'a column called condition, ClientId, FlowId or ArtifactType is only shown, under another name, where the server lets it decide whether the alert is sent, or whose it is (D-93).',
    concerns: hasSteeringColumn,
    instead: logTableHere,
  },
  {
    id: 'D-90',
    parameter: 'IncludeFilter',
    text: 'without a column Severity alerts have no severity, where the server gives them an empty one.',
    concerns: lacksSeverity,
  },
  {
    id: 'D-88',
    parameter: 'ExcludeFilter',
    text: 'the artifacts that tell alerts or make them of logs are left out in any case; a copy under a name that only ends like one of these is not, unless a row here says so.',
    concerns: always,
  },
  ...logTableDifferences('ExcludeFilter'),
]

/** The differences of each artifact, in the order in which somebody should read them. */
export const differences: Readonly<Record<string, readonly Difference[]>> = {
  'Server.Monitor.FlowCompletion': flowCompletion,
  'Server.Monitor.Alerts': alerts,
  'Server.Monitor.Alerts.UserMessage': userMessage,
  'Server.Monitor.Errors.Alert': errors,
  'Server.Monitor.Client.Errors.Alert': [
    ...errors,
    {
      id: 'D-91',
      parameter: 'IncludeFilter',
      text: 'an artifact that runs for all clients and for a label is read once.',
      concerns: always,
    },
    {
      id: 'D-79',
      parameter: 'IncludeFilter',
      text: 'its alerts bear the type CLIENT_EVENT, where the server calls them SERVER_MONITORING.',
      concerns: always,
    },
  ],
}

/** Those that concern a value. */
export const concerning = (artifact: string, parameter: string, value: string | undefined): readonly Difference[] =>
  (differences[artifact] ?? []).filter(
    ({ parameter: name, concerns = (given) => given !== undefined }) => name === parameter && concerns(value),
  )
