/** A partition (or another small number) and an offset in it as one whole number: those of one partition lie together, in order. */
export type Place = number

/** Offsets below this: more than a partition takes in a human life. SQL finds the partition by `>> 40`. */
const span = 2 ** 40

export const placeOf = (partition: number, offset: number): Place => partition * span + offset
export const partitionOfPlace = (place: Place): number => Math.floor(place / span)
export const offsetOfPlace = (place: Place): number => place % span

/** Events are also counted by blocks of so many offsets: sums over millions are sums over hundreds, and a hole is soon found. */
export const blockSize = 4096

/** The number of the block that a place lies in; those of a partition follow each other. SQL finds it by `>> 12`. */
export const blockOf = (place: Place): number => Math.floor(place / blockSize)
