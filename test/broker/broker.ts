/** What a broker for tests should be. */
export interface BrokerOptions {
  readonly nodes: 1 | 3
  /** Broker settings beside the usual ones. */
  readonly settings?: Readonly<Record<string, string | number>>
  /** Further listeners of each node beside the one in the clear, by their protocols; only from jars. */
  readonly listeners?: readonly ('SSL' | 'SASL_PLAINTEXT')[]
  /** Further arguments with which the storage is formatted; only from jars. */
  readonly format?: readonly string[]
}

/** A running broker. Nodes count from 1; only one from jars can be killed, frozen and started. */
export interface Broker {
  readonly brokers: readonly string[]
  /** Addresses of a further listener. */
  readonly at?: (protocol: 'SSL' | 'SASL_PLAINTEXT') => readonly string[]
  readonly kind: 'given' | 'container' | 'jars'
  /** What serves, for people. */
  readonly description: string
  kill(id?: number): Promise<void>
  freeze(id?: number): void
  thaw(id?: number): void
  /** Starts a killed node again over its data. */
  start(id?: number): Promise<void>
  stop(): Promise<void>
}
