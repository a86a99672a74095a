/** A board is a folder of `firmware/boards`: adding one is adding a folder. */

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { top } from './tools.ts'

/**
 * Who makes a boot file: the board's folder (an overlay `X.dtbo` from `X.dts` there), the build of a version, Debian's kernel
 * package, or the board's maker, whose licence does not let it into an image of ours unasked.
 */
export type BootFileSource = 'board' | 'build' | 'kernel' | 'vendor'

export interface Board {
  readonly name: string
  readonly description: string
  /** Debian's name of the architecture. */
  readonly architecture: 'amd64' | 'arm64'
  /** npm's name of it. */
  readonly node: 'x64' | 'arm64'
  readonly kernelPackage: string
  /** How UEFI names things there; a board without it boots otherwise and is only linted. */
  readonly efi?: { readonly suffix: string; readonly boot: string; readonly objcopy: string }
  /** What the board's own firmware starts it from, where that is not UEFI: paths on its boot partition. */
  readonly bootFiles?: Readonly<Record<string, BootFileSource>>
  /** Consoles of the kernel, the last for /dev/console. */
  readonly console: readonly string[]
  /** What stays of the kernel's modules: folders and files below its `kernel` folder. */
  readonly kernelModules: readonly string[]
  /** What the initramfs carries, with what these need. */
  readonly initramfsModules: readonly string[]
  /** Words added to the kernel's command line. */
  readonly commandLine?: readonly string[]
  readonly qemu?: {
    readonly program: string
    readonly arguments: readonly string[]
    readonly firmwareCode: string
    readonly firmwareVariables: string
  }
}

const boards = join(top, 'firmware', 'boards')

export function boardNames(): string[] {
  return readdirSync(boards).filter(name => existsSync(join(boards, name, 'board.json')))
}

/** Throws an Error that lists the boards when there is none of this name. */
export function readBoard(name: string): Board {
  if (!boardNames().includes(name)) throw new Error(`there is no board '${name}': ${boardNames().join(', ')}`)
  return JSON.parse(readFileSync(join(boards, name, 'board.json'), 'utf8')) as Board
}
