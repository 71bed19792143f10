import type { Broker } from 'kafkajs'

/** How requests of one kind are written, and answers to them read, in place of the client's own ways; left out: as the client does. */
export interface OwnProtocol<Terms> {
  /** Kafka's number of the kind. */
  readonly key: number
  /** Of the kind, as written and read here. */
  readonly version: number
  readonly encode?: (terms: Terms) => Buffer
  readonly decode?: (answer: Buffer) => unknown
  /** Throws what an answer says went wrong. */
  readonly parse?: (decoded: unknown) => unknown
}

interface ProtocolRequest {
  readonly request: { readonly apiName: string; readonly apiVersion: number; readonly encode: () => Promise<unknown> }
  readonly response: {
    readonly decode: (answer: Buffer) => Promise<unknown>
    readonly parse: (decoded: unknown) => Promise<unknown>
  }
}

/** What the client's types leave out of a broker. */
interface AskedBroker {
  lookupRequest(apiKey: number, definition: unknown): (terms: unknown) => ProtocolRequest
}

/** The same broker over the same connections: only how these requests are written and read differs. */
export const speaking = <Terms>(broker: Broker, own: OwnProtocol<Terms>): Broker => {
  const asked = broker as unknown as AskedBroker
  const lookupRequest: AskedBroker['lookupRequest'] = (apiKey, definition) => (terms) => {
    const made = asked.lookupRequest(apiKey, definition)(terms)
    return apiKey === own.key ? rewritten(made, own, terms as Terms) : made
  }
  return Object.create(broker, { lookupRequest: { value: lookupRequest } }) as Broker
}

const rewritten = <Terms>(
  made: ProtocolRequest,
  { version, encode, decode, parse }: OwnProtocol<Terms>,
  terms: Terms,
): ProtocolRequest => {
  const { request, response } = made
  if (request.apiVersion !== version) {
    const text = `the broker speaks version ${request.apiVersion} of ${request.apiName}, not ${version}`
    throw Object.assign(new Error(text), { code: 'UNSUPPORTED_VERSION' })
  }
  return {
    ...made,
    request: encode === undefined ? request : { ...request, encode: async () => asEncoder(encode(terms)) },
    response: {
      ...response,
      ...(decode === undefined ? {} : { decode: async (answer) => decode(answer) }),
      ...(parse === undefined ? {} : { parse: async (decoded) => parse(decoded) }),
    },
  }
}

/** What the client takes for an encoder of its own. */
const asEncoder = (bytes: Buffer): { readonly buf: Buffer; readonly buffer: Buffer } => ({ buf: bytes, buffer: bytes })
