import type { MailReply } from './mail.ts'

/** A token, or why there is none: denied (somebody must act) or unavailable (the endpoint is away). */
export type TokenAnswer = { readonly token: string } | { readonly failure: MailReply }

/** Access tokens of one login, shared by all its connections. */
export interface TokenSource {
  /** The present one, obtained or renewed in time; never one that is `refused`, which the mail server did not take. Never rejects. */
  token(refused?: string): Promise<TokenAnswer>
}
