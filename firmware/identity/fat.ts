/**
 * Puts one file into the top folder of an empty FAT file system (FAT12 or FAT16, as mkfs.fat makes the provisioning partition), so that
 * a laptop needs no other program and no root for it. Microsoft's FAT specification, 1.03.
 */

/** How a volume is divided. Throws an Error when it is a file system of another kind. */
function readLayout(volume: Buffer) {
  const sector = volume.readUInt16LE(11)
  const cluster = volume[13]! * sector
  const reserved = volume.readUInt16LE(14)
  const copies = volume[16]!
  const rootEntries = volume.readUInt16LE(17)
  const sectors = volume.readUInt16LE(19) || volume.readUInt32LE(32)
  const fatSectors = volume.readUInt16LE(22)
  if (sector !== 512 || fatSectors === 0 || rootEntries === 0)
    throw new Error('the provisioning partition is no FAT12 or FAT16')
  const rootAt = (reserved + copies * fatSectors) * sector
  const dataAt = rootAt + rootEntries * 32
  const clusters = Math.floor((sectors * sector - dataAt) / cluster)
  return { sector, cluster, reserved, copies, fatSectors, rootAt, dataAt, clusters, isFat12: clusters < 4085 }
}

/** Whether nothing is in the top folder but the volume's own name. */
export function isEmpty(volume: Buffer): boolean {
  const { rootAt, dataAt } = readLayout(volume)
  for (let at = rootAt; at < dataAt && volume[at] !== 0; at += 32) {
    const isDeleted = volume[at] === 0xe5
    const isVolumeName = volume[at + 11] === 0x08
    if (!isDeleted && !isVolumeName) return false
  }
  return true
}

/** Adds the file in place. Throws an Error when it does not fit or the file system is of another kind. */
export function addFile(volume: Buffer, name: string, content: Buffer): void {
  const { sector, cluster, reserved, copies, fatSectors, rootAt, dataAt, clusters, isFat12 } = readLayout(volume)
  const count = Math.ceil(content.length / cluster)
  const fat = volume.subarray(reserved * sector, (reserved + fatSectors) * sector)
  const free: number[] = []
  for (let n = 2; n < clusters + 2 && free.length < count; n++) if (read(fat, n, isFat12) === 0) free.push(n)
  if (free.length < count) throw new Error(`${name} does not fit into the provisioning partition`)
  for (const [index, n] of free.entries()) {
    content.copy(volume, dataAt + (n - 2) * cluster, index * cluster, Math.min(content.length, (index + 1) * cluster))
    write(fat, n, free[index + 1] ?? 0xffff, isFat12)
  }
  for (let copy = 1; copy < copies; copy++) fat.copy(volume, (reserved + copy * fatSectors) * sector)
  addEntry(volume.subarray(rootAt, dataAt), name, free[0]!, content.length)
}

function read(fat: Buffer, n: number, isFat12: boolean): number {
  if (!isFat12) return fat.readUInt16LE(n * 2)
  const pair = fat.readUInt16LE(Math.floor(n * 1.5))
  return n % 2 === 0 ? pair & 0xfff : pair >> 4
}

function write(fat: Buffer, n: number, value: number, isFat12: boolean): void {
  if (!isFat12) {
    fat.writeUInt16LE(value, n * 2)
    return
  }
  const at = Math.floor(n * 1.5)
  const pair = fat.readUInt16LE(at)
  fat.writeUInt16LE(n % 2 === 0 ? (pair & 0xf000) | (value & 0xfff) : (pair & 0x000f) | ((value & 0xfff) << 4), at)
}

/** A long name (in pieces of 13 characters, last piece first) before the short entry it belongs to. */
function addEntry(folder: Buffer, name: string, cluster: number, length: number): void {
  let at = 0
  while (at < folder.length && folder[at] !== 0) at += 32
  const short = Buffer.from('PROVIS~1JSO', 'latin1')
  let sum = 0
  for (const octet of short) sum = (((sum & 1) << 7) + (sum >> 1) + octet) & 0xff
  const units = Buffer.alloc(Math.ceil(name.length / 13) * 26, 0xff)
  units.write(name.length % 13 === 0 ? name : `${name}\0`, 'utf16le')
  const pieces = units.length / 26
  for (let piece = pieces; piece >= 1; piece--, at += 32) {
    const from = (piece - 1) * 26
    folder[at] = piece | (piece === pieces ? 0x40 : 0)
    units.copy(folder, at + 1, from, from + 10)
    folder[at + 11] = 0x0f
    folder[at + 12] = 0
    folder[at + 13] = sum
    units.copy(folder, at + 14, from + 10, from + 22)
    folder.writeUInt16LE(0, at + 26)
    units.copy(folder, at + 28, from + 22, from + 26)
  }
  short.copy(folder, at)
  folder[at + 11] = 0x20
  // 1 January 2026: nobody asks, and zero is no date.
  for (const field of [16, 18, 24]) folder.writeUInt16LE(((2026 - 1980) << 9) | (1 << 5) | 1, at + field)
  folder.writeUInt16LE(cluster, at + 26)
  folder.writeUInt32LE(length, at + 28)
}
