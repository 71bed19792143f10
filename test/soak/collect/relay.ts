import { type RelayProcess, openRelayProcess } from '../relay-process.ts'

/** One line that the relay logged. */
export interface Line {
  readonly msg: string
  readonly org?: string
  readonly queue?: string
  readonly queues?: string
  readonly from?: string
  readonly to?: string
  readonly reason?: string
}

export interface CollectRelayOptions {
  /** Its relay.yaml. */
  readonly file: string
  readonly hear: (line: Line) => void
  /** It ended by itself. */
  readonly onFailure: (what: string) => void
}

/** `relay run` of collect and enrich. */
export const openCollectRelay = ({ file, hear, onFailure }: CollectRelayOptions): RelayProcess => {
  let latest = ''
  const take = (text: string): void => {
    // It says why it ends, and then that it has.
    if (!text.includes('"msg":"relay stopped"')) latest = text
    try {
      hear(JSON.parse(text) as Line)
    } catch {
      hear({ msg: text })
    }
  }
  return openRelayProcess({
    arguments: ['run', '-c', file, '--stages', 'collect,enrich'],
    hear: take,
    onEnd: ({ isMeant, code }) => void (isMeant || onFailure(`the relay ended by itself with ${code}: ${latest}`)),
  })
}
