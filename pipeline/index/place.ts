/** A topic's partition and an offset as one whole number: numbers of one partition grow with the offset. */
export type Place = number

/** Offsets below this; more than a partition takes in a human life. */
const span = 2 ** 40

export const placeOf = (partition: number, offset: number): Place => partition * span + offset
export const partitionOfPlace = (place: Place): number => Math.floor(place / span)
export const offsetOfPlace = (place: Place): number => place % span
/** SQL of the number that a place holds before its offset. */
export const sqlPartition = (column: string): string => `(${column} >> 40)`
