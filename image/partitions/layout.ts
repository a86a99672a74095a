/**
 * How a card is divided: boot partition, two slots, provisioning partition, and data, which is last so that it can grow over the
 * rest of the card at first boot. `scripts/flash` and the tests find their way by this table, too.
 */

export const sectorOctets = 512
const mebibyte = 2 ** 20
/** Partitions begin at this multiple; erase blocks of cards are no larger in practice. */
const alignment = 4 * mebibyte

export interface Partition {
  readonly label: string
  /** GUID of its type (UEFI 5.3.3). */
  readonly type: string
  readonly octets: number
  readonly start: number
  /** GUID of the partition in an image as built. */
  readonly id: string
}

const kinds = [
  ['porchlight-esp', 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B', 256],
  ['porchlight-a', '8DA63339-0007-60C0-C436-083AC8230908', 256],
  ['porchlight-b', '8DA63339-0007-60C0-C436-083AC8230908', 256],
  ['porchlight-prov', 'EBD0A0A2-B9E5-4433-87C0-68B6B72699C7', 16],
  ['porchlight-data', '0FC63DAF-8483-4772-8E79-3D69D8477DE4', 128],
] as const

export type PartitionLabel = (typeof kinds)[number][0]

export const partitions: readonly Partition[] = layOut()

function layOut(): Partition[] {
  const laid: Partition[] = []
  let end = 0
  for (const [label, type, size] of kinds) {
    const start = Math.max(Math.ceil(end / alignment), 1) * alignment
    const octets = size * mebibyte
    laid.push({ label, type, octets, start, id: `0B0C5EED-0000-4000-8000-00000000000${laid.length + 1}` })
    end = start + octets
  }
  return laid
}

export function partition(label: PartitionLabel): Partition {
  return partitions.find(one => one.label === label)!
}

/** GUID of a disk that no unit has made its own yet. */
export const blankDiskId = '0B0C5EED-0000-4000-8000-000000000000'

/** Size of an image as built; a card may be any larger. */
export const diskOctets =
  Math.ceil((partitions.at(-1)!.start + partitions.at(-1)!.octets + mebibyte) / alignment) * alignment

/** The largest root with its hash tree that fits a slot. */
export const slotOctets = partition('porchlight-a').octets

/** The table as sfdisk(8) reads it. */
export function sfdiskScript(diskId: string): string {
  const lines = partitions.map(
    one =>
      `start=${one.start / sectorOctets}, size=${one.octets / sectorOctets}, type=${one.type}, uuid=${one.id}, name="${one.label}"`,
  )
  return ['label: gpt', `label-id: ${diskId}`, 'unit: sectors', 'first-lba: 2048', '', ...lines, ''].join('\n')
}
