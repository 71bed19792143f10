/** Bytes of a completed event at most: a notice holds it whole, and a broker takes 1 MB in one record. */
export const mostEventBytes = 800_000

/** Bytes of a row at most: its event holds it beside the facts. */
export const mostRowBytes = mostEventBytes / 2
