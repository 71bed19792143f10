/** Tells a user of Velociraptor something inside its GUI. */
export interface MessageSink {
  /**
   * Rejects with ConnectorError: VELOCIRAPTOR_UNAVAILABLE (later), VELOCIRAPTOR_DENIED (the server has no such messages, or refuses). A
   * user that the server does not know is not noticed.
   */
  send(user: string, body: Readonly<Record<string, unknown>>): Promise<void>
}
