import { ConnectorError, type ConnectorErrorCode } from '../../errors.ts'

/** Where something failed: what was done, and to which topic and partition. */
export interface KafkaPlace {
  readonly brokers: readonly string[]
  readonly deed: string
  readonly topic?: string
  readonly partition?: number
}

interface Facts {
  /** Names, protocol types and codes of the error and of what caused it. */
  readonly signs: readonly string[]
  readonly text: string
}

const factsOf = (cause: unknown): Facts => {
  const signs: string[] = []
  let text = ''
  let at: unknown = cause
  for (let depth = 0; depth < 8 && at instanceof Error; depth++) {
    signs.push(at.name)
    for (const key of ['type', 'code'])
      if (key in at) signs.push(String((at as unknown as Record<string, unknown>)[key]))
    text = at.message
    // What several topics came to at once has no cause, but a list.
    at = at.cause ?? ('errors' in at && Array.isArray(at.errors) ? (at.errors as readonly unknown[])[0] : undefined)
  }
  return { signs, text }
}

/** Whether one of these names, types or codes is among an error and its causes. */
export const hasSign = (cause: unknown, ...wanted: readonly string[]): boolean =>
  factsOf(cause).signs.some((sign) => wanted.includes(sign))

const rules: readonly (readonly [readonly string[], 'REFUSED' | 'DENIED' | 'UNAVAILABLE', string])[] = [
  [
    ['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'],
    'REFUSED',
    'the broker takes no record of this size: raise max.message.bytes of the topic',
  ],
  [
    ['TOPIC_AUTHORIZATION_FAILED'],
    'DENIED',
    'the broker does not permit it: grant Read, Write, Create and DescribeConfigs on topics with the prefix',
  ],
  [
    ['GROUP_AUTHORIZATION_FAILED'],
    'DENIED',
    'the broker does not permit the group: grant Read on groups with the prefix',
  ],
  [
    ['TRANSACTIONAL_ID_AUTHORIZATION_FAILED'],
    'DENIED',
    'the broker does not permit the transaction: grant Write on transactional ids with the prefix',
  ],
  [
    // A producer without duplicates may be had by who may write to any topic.
    ['CLUSTER_AUTHORIZATION_FAILED'],
    'DENIED',
    'the broker does not permit writing: grant Write on topics with the prefix',
  ],
  [
    ['KafkaJSSASLAuthenticationError', 'SASL_AUTHENTICATION_FAILED'],
    'DENIED',
    'the broker does not accept the login: see to sasl.username, sasl.password and sasl.mechanism',
  ],
  [
    ['UNSUPPORTED_SASL_MECHANISM', 'ILLEGAL_SASL_STATE'],
    'DENIED',
    'the broker does not offer this sasl.mechanism on this port',
  ],
  [
    [
      'DEPTH_ZERO_SELF_SIGNED_CERT',
      'SELF_SIGNED_CERT_IN_CHAIN',
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
      'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    ],
    'DENIED',
    "the broker's certificate is signed by nobody that is trusted: name its authority in tls.ca_file",
  ],
  [['ERR_TLS_CERT_ALTNAME_INVALID'], 'DENIED', "the broker's certificate is for another name than the one in brokers"],
  [['CERT_HAS_EXPIRED'], 'DENIED', "the broker's certificate has ended"],
  [
    ['UNSUPPORTED_VERSION', 'KafkaJSServerDoesNotSupportApiKey', 'UNSUPPORTED_FOR_MESSAGE_FORMAT'],
    'DENIED',
    'the broker is too old: Kafka 3.9 or newer is needed',
  ],
  [
    ['INVALID_TIMESTAMP'],
    'UNAVAILABLE',
    "this machine's clock is more than an hour ahead of the brokers': set the clocks right",
  ],
  [
    ['INVALID_PRODUCER_EPOCH', 'PRODUCER_FENCED'],
    'UNAVAILABLE',
    'another process has taken the partition: what this one wanted to commit is void',
  ],
  [
    ['UNKNOWN_TOPIC_OR_PARTITION', 'KafkaJSTopicMetadataNotLoaded', 'KafkaJSMetadataNotLoaded'],
    'UNAVAILABLE',
    'the broker does not know the topic: it was deleted, or is still being made; `relay topics` makes what is missing',
  ],
  [
    ['NOT_ENOUGH_REPLICAS', 'NOT_ENOUGH_REPLICAS_AFTER_APPEND'],
    'UNAVAILABLE',
    'too few replicas are in sync: start the missing brokers',
  ],
  [
    ['UNSUPPORTED_COMPRESSION_TYPE'],
    'UNAVAILABLE',
    'a record there is compressed in a way that cannot be read: set compression.type=producer on the topic and write without, or with gzip or zstd',
  ],
  [
    ['EPROTO', 'ERR_SSL_WRONG_VERSION_NUMBER'],
    'DENIED',
    'the port speaks no TLS: name the TLS port in brokers, or remove tls',
  ],
]

/** A foreign error as the port's one: it names the brokers, and topic and partition where they are known. */
export const asKafkaError = (cause: unknown, place: KafkaPlace): ConnectorError => {
  if (cause instanceof ConnectorError) return cause
  const { signs, text } = factsOf(cause)
  const rule = rules.find(([wanted]) => signs.some((sign) => wanted.includes(sign)))
  const code: ConnectorErrorCode = `LOG_${rule?.[1] ?? 'UNAVAILABLE'}`
  const partition = place.partition === undefined ? '' : ` partition ${place.partition}`
  const where = place.topic === undefined ? '' : ` (topic ${place.topic}${partition})`
  const said = rule?.[2] ?? `the broker cannot be reached or does not answer as it should: ${text}`
  return new ConnectorError(code, `Kafka at ${place.brokers.join(', ')}: ${place.deed}${where}: ${said}`, { cause })
}
