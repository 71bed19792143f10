/**
 * What a connector says happened; what that means is decided elsewhere.
 * REFUSED: this item, for good. DEFERRED: this item, for now. UNAVAILABLE: everything, for now. DENIED: everything, for good.
 * CLOSED: the connector was closed meanwhile.
 */
export type Prognosis = 'REFUSED' | 'DEFERRED' | 'UNAVAILABLE' | 'DENIED'
export type Place = 'LOG' | 'VELOCIRAPTOR' | 'MAIL' | 'HTTP'
export type ConnectorErrorCode = `${Place}_${Prognosis}` | 'CLOSED'

/** The only error that leaves a connector. Its text says what to do and carries no secret, address or body; the foreign error is its `cause`. */
export class ConnectorError extends Error {
  override readonly name = 'ConnectorError'
  readonly code: ConnectorErrorCode
  constructor(code: ConnectorErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.code = code
  }
}
