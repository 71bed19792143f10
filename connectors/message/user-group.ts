/** Users of an organisation, by patterns of the server (RE2, case ignored, found anywhere; blank: any). */
export interface UserGroup {
  readonly org: string
  readonly users: string
  /** At least one role given to a user must match. */
  readonly roles: string
}

/** A group as one text, which takes the place of an address. */
export const groupAddress = ({ org, users, roles }: UserGroup): string => JSON.stringify([org, users, roles])

/** The group that a text stands for; null: none. */
export const groupOf = (address: string): UserGroup | null => {
  try {
    const parts: unknown = JSON.parse(address)
    if (!Array.isArray(parts) || parts.length !== 3) return null
    const [org, users, roles]: readonly unknown[] = parts
    return typeof org === 'string' && typeof users === 'string' && typeof roles === 'string'
      ? { org, users, roles }
      : null
  } catch {
    return null
  }
}

/** A recipient as people read it: an address as it stands, a group of users in words. */
export const recipientText = (address: string): string => {
  const group = groupOf(address)
  if (group === null) return address
  const users = group.users.trim() === '' ? 'every user' : `users like ${group.users}`
  return `${users}${group.roles.trim() === '' ? '' : ` with a role like ${group.roles}`}, organisation ${group.org}`
}
