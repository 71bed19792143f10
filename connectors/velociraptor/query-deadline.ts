import type { QueryRequest } from './velociraptor.ts'

/** Beyond the server's own end of a query, s: by then it has hung. */
const graceS = 15

/** How long a client waits for the end of a query, ms; undefined: for ever, which is right for events only. */
export const queryDeadlineMs = ({ timeoutS }: QueryRequest): number | undefined =>
  timeoutS === undefined ? undefined : (timeoutS + graceS) * 1000
