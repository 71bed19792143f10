/** A partition (or another small number) and an offset in it as one whole number: those of one partition lie together, in order. */
export type Place = number

/** Offsets below this: more than a partition takes in a human life. SQL finds the partition by `>> 40`. */
const span = 2 ** 40

export const placeOf = (partition: number, offset: number): Place => partition * span + offset
export const partitionOfPlace = (place: Place): number => Math.floor(place / span)
export const offsetOfPlace = (place: Place): number => place % span
