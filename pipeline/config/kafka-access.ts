import { hostname } from 'node:os'
import type { KafkaAccess } from '../../connectors/log/kafka/connection.ts'
import type { KafkaLogSettings } from './configuration.ts'

/** How Kafka is reached, as its adapter wants it. */
export const kafkaAccessOf = ({ brokers, tls, sasl }: KafkaLogSettings): KafkaAccess => ({
  brokers,
  clientId: `raptor-relay-${hostname()}-${process.pid}`,
  ...(tls === null
    ? {}
    : {
        tls: {
          ...(tls.ca === null ? {} : { ca: tls.ca }),
          ...(tls.identity === null ? {} : { cert: tls.identity.certificate, key: tls.identity.key.reveal() }),
        },
      }),
  ...(sasl === null ? {} : { sasl: { ...sasl, password: () => sasl.password.reveal() } }),
})
