import { Observable, type Subscriber, type Subscription } from 'rxjs'
import type { EventLog, Task, Topology, Turn } from '../../../connectors/log/event-log.ts'
import type { Random } from '../../../pipeline/runtime/backoff.ts'
import type { Gate } from './gate.ts'

/** A process that takes part. */
export interface Member {
  readonly name: string
  readonly gate: Gate
  /** By how much its wall clock is ahead, ms. */
  readonly skew: () => number
  /** Before and after each commit. */
  readonly cross: (what: string) => Promise<void>
  /** When it learns that a partition is not its own any more: now, or later. */
  readonly learnLater: (call: () => void) => void
}

/** Shares out the partitions of a log's topologies, as a group of consumers does; who has lost one learns it when its commit fails, or later. */
export interface PartitionOwners {
  tasksFor(member: Member, topology: Topology): Observable<Task>
  /** It is gone, or has not been heard of for too long. */
  expel(member: Member): void
  /** It is heard of again. */
  readmit(member: Member): void
  /** Takes a partition from its owner and gives it to somebody. */
  move(): void
  /** What the tasks of a topology remember. */
  statesOf(topology: string): readonly Task['state'][]
}

interface Seat {
  readonly partition: number
  task: Task | null
  owner: Member | null
  reading: Subscription | null
  /** How often it was given to somebody: only the latest may read. */
  given: number
  readonly past: Set<Member>
}

interface Group {
  readonly topology: Topology
  readonly members: Map<Member, Subscriber<Task>>
  readonly expelled: Map<Member, Subscriber<Task>>
  /** What ends the tasks of a member at once, when it leaves of its own accord. */
  readonly endings: Map<Member, Set<() => void>>
  readonly seats: Map<number, Seat>
  reading: Subscription | null
}

export const openPartitionOwners = (
  log: EventLog,
  random: Random,
  /** One process at a time: who comes knows that those before are dead. */
  isAlone: boolean,
): PartitionOwners => {
  const groups = new Map<string, Group>()

  const assign = (group: Group, seat: Seat): void => {
    const candidates = [...group.members].filter(([{ gate }]) => !gate.isDead())
    const chosen = candidates[Math.floor(random() * candidates.length)]
    seat.owner = chosen?.[0] ?? null
    if (chosen === undefined || seat.task === null) return
    const [member, subscriber] = chosen
    const proxy = proxyOf(group, seat, seat.task, member)
    member.gate.run(() => subscriber.next(proxy))
  }

  const proxyOf = (group: Group, seat: Seat, task: Task, member: Member): Task => {
    const othersAreDead = isAlone && [...seat.past].every((other) => other === member || other.gate.isDead())
    seat.past.add(member)
    const given = ++seat.given
    const lost = new AbortController()
    let reader: Subscriber<Turn> | undefined
    const lose = (): void => {
      lost.abort()
      reader?.complete()
    }
    // As on Kafka: nobody sees what the next owner remembers before knowing that there is one.
    const know = (): void => {
      if (seat.given !== given) lose()
    }
    group.endings.get(member)?.add(lose)
    task.lost.addEventListener('abort', () => member.learnLater(lose))
    const wrap = (turn: Turn): Turn => ({
      now: turn.now + member.skew(),
      records: turn.records,
      commit: async (step) => {
        await member.cross('commit')
        try {
          await turn.commit(step)
        } catch (cause) {
          await member.gate.pass()
          lose()
          throw cause
        }
        await member.cross('commit answered')
      },
    })
    return {
      topology: task.topology,
      partition: task.partition,
      lost: lost.signal,
      othersAreDead,
      state: {
        get: (key) => {
          know()
          return task.state.get(key)
        },
        range: (from, to) => {
          know()
          return task.state.range(from, to)
        },
      },
      wake: (at) => task.wake(at - member.skew()),
      turns: new Observable((subscriber) => {
        if (seat.given !== given) lose()
        if (lost.signal.aborted) return subscriber.complete()
        reader = subscriber
        const reading = task.turns.subscribe({
          next: (turn) => member.gate.run(() => void (lost.signal.aborted || subscriber.next(wrap(turn)))),
        })
        seat.reading = reading
        return () => reading.unsubscribe()
      }),
    }
  }

  const take = (group: Group, seat: Seat): void => {
    const { reading } = seat
    seat.owner = null
    seat.reading = null
    seat.given++
    if (reading === null) assign(group, seat)
    // The log opens the partition again, and it goes to somebody then.
    else reading.unsubscribe()
  }

  const open = (topology: Topology): Group => {
    const group: Group = {
      topology,
      members: new Map(),
      expelled: new Map(),
      endings: new Map(),
      seats: new Map(),
      reading: null,
    }
    groups.set(topology.name, group)
    return group
  }

  const read = (group: Group): void => {
    group.reading = log.tasks(group.topology).subscribe((task) => {
      const seat = group.seats.get(task.partition) ?? {
        partition: task.partition,
        task,
        owner: null,
        reading: null,
        given: 0,
        past: new Set<Member>(),
      }
      group.seats.set(task.partition, seat)
      seat.task = task
      seat.reading = null
      assign(group, seat)
    })
  }

  const leave = (group: Group, member: Member): void => {
    if (!group.members.delete(member)) return
    for (const seat of group.seats.values()) if (seat.owner === member) take(group, seat)
  }

  const join = (group: Group, member: Member, subscriber: Subscriber<Task>): void => {
    group.members.set(member, subscriber)
    if (group.reading === null) read(group)
    // Of the others the log has no task at the moment.
    for (const seat of group.seats.values())
      if (seat.owner === null && seat.task?.lost.aborted === false) assign(group, seat)
  }

  return {
    tasksFor: (member, topology) =>
      new Observable((subscriber) => {
        const group = groups.get(topology.name) ?? open(topology)
        group.endings.set(member, new Set())
        join(group, member, subscriber)
        return () => {
          for (const end of group.endings.get(member) ?? []) end()
          group.expelled.delete(member)
          leave(group, member)
        }
      }),
    expel(member) {
      for (const group of groups.values()) {
        const subscriber = group.members.get(member)
        if (subscriber !== undefined) group.expelled.set(member, subscriber)
        leave(group, member)
      }
    },
    readmit(member) {
      for (const group of groups.values()) {
        const subscriber = group.expelled.get(member)
        group.expelled.delete(member)
        if (subscriber !== undefined) join(group, member, subscriber)
      }
    },
    move() {
      const all = [...groups.values()]
      const group = all[Math.floor(random() * all.length)]
      const seats = [...(group?.seats.values() ?? [])]
      const seat = seats[Math.floor(random() * seats.length)]
      if (group !== undefined && seat !== undefined && seat.owner !== null) take(group, seat)
    },
    statesOf: (topology) =>
      [...(groups.get(topology)?.seats.values() ?? [])].flatMap(({ task }) => (task === null ? [] : [task.state])),
  }
}
