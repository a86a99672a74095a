/** Every board's folder says what a build and a technician need, and names no file that nobody makes. */

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Board, boardNames, readBoard } from '../../../image/board.ts'
import { commandLine } from '../../../image/kernel-image.ts'
import { top } from '../../../image/tools.ts'

const folderOf = (name: string): string => join(top, 'firmware/boards', name)
const nodeNames = { amd64: 'x64', arm64: 'arm64' }

for (const name of boardNames()) {
  const board = readBoard(name)

  test(`board ${name}: every required field is there and fits the others`, () => {
    assert.equal(board.name, name)
    assert.ok(board.description.length > 10 && !board.description.includes('\n'))
    assert.equal(board.node, nodeNames[board.architecture])
    assert.match(board.kernelPackage, /^linux-image-[a-z0-9-]+$/)
    for (const list of [board.console, board.kernelModules, board.initramfsModules]) {
      assert.ok(list.length > 0)
      assert.equal(new Set(list).size, list.length, 'nothing twice')
    }
    for (const module of board.initramfsModules) assert.match(module, /^[a-z0-9_]+$/, 'as modprobe writes it')
    for (const needed of ['dm_verity', 'squashfs', 'vfat'])
      assert.ok(board.initramfsModules.includes(needed), `the initramfs opens a slot with ${needed}`)
    for (const needed of ['drivers/md', 'drivers/watchdog', 'fs/ext4', 'fs/squashfs', 'net/netfilter'])
      assert.ok(board.kernelModules.includes(needed), `the system needs ${needed}`)
  })

  test(`board ${name}: it starts by UEFI or by boot files of its own, and says so when nobody has started it`, () => {
    assert.notEqual(board.efi === undefined, board.bootFiles === undefined)
    assert.equal(board.description.startsWith('unbooted: '), board.qemu === undefined)
    if (board.efi) assert.match(board.efi.boot, /^BOOT[A-Z0-9]+\.EFI$/)
  })

  if (board.bootFiles) lintBootFiles(board, board.bootFiles)
}

function lintBootFiles(board: Board, files: NonNullable<Board['bootFiles']>): void {
  const text = (path: string): string => readFileSync(join(folderOf(board.name), 'boot', path), 'utf8')

  test(`board ${board.name}: boot files that come from its folder are there`, () => {
    for (const [path, source] of Object.entries(files)) {
      if (source !== 'board') continue
      const own = join(folderOf(board.name), 'boot', path.replace(/\.dtbo$/, '.dts'))
      assert.ok(existsSync(own), `${own} is missing`)
    }
  })

  test(`board ${board.name}: every file that config.txt names has a source, and the settings are ones we know`, () => {
    const named = namedFiles(text('config.txt'))
    assert.ok(named.length >= 4)
    for (const path of named) assert.ok(path in files, `config.txt names ${path}, which board.json does not`)
  })

  test(`board ${board.name}: a trial starts the other boot partition`, () => {
    const sections = settings(text('autoboot.txt'))
    assert.equal(sections.all?.tryboot_a_b, '1')
    const [usual, trial] = [sections.all?.boot_partition, sections.tryboot?.boot_partition]
    assert.match(usual ?? '', /^[2-9]$/, 'the first partition holds autoboot.txt itself')
    assert.match(trial ?? '', /^[2-9]$/)
    assert.notEqual(usual, trial)
  })

  test(`board ${board.name}: the template of its command line is what a version is started with`, () => {
    const verity = { dataBlocks: 31, hashStart: 32, salt: 'aa', rootHash: 'bb' }
    const filled = text('cmdline.txt.template').replace('{version}', '1.2.3').replace('{verity}', '31,32,aa,bb')
    assert.equal(filled, `${commandLine(board, '1.2.3', verity)}\n`)
  })

  test(`board ${board.name}: its reset button sends the key that is waited for`, () => {
    const overlay = text('overlays/reset-button.dts')
    const waitedFor = /^key=(\d+)$/m.exec(readFileSync(join(top, 'image/overlay/usr/lib/porchlight/button'), 'utf8'))
    assert.equal(/linux,code = <(\d+)>/.exec(overlay)?.[1], waitedFor?.[1])
    assert.match(overlay, /compatible = "gpio-keys"/)
    assert.ok(board.kernelModules.includes('drivers/input/keyboard'), 'gpio_keys is there')
    assert.ok(board.kernelModules.includes('drivers/input/evdev.ko'))
  })
}

/** Settings that name a file each, as `config.txt` writes them, and where the file then is. */
const fileSettings: Readonly<Record<string, (value: string) => string>> = {
  kernel: value => value,
  cmdline: value => value,
  device_tree: value => value,
  dtoverlay: value => `overlays/${value.split(',')[0]}.dtbo`,
}
const plainSettings = [
  ...['arm_64bit', 'enable_uart', 'gpu_mem', 'disable_splash'],
  ...['camera_auto_detect', 'display_auto_detect', 'dtparam'],
]

function namedFiles(config: string): string[] {
  const files: string[] = []
  for (const line of config.split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    assert.ok(line.length <= 98, `the bootloader reads no more than 98 characters of a line: ${line}`)
    const initramfs = /^initramfs (\S+) followkernel$/.exec(line)?.[1]
    const [, name = '', value = ''] = /^(\w+)=(.+)$/.exec(line) ?? []
    const place = fileSettings[name]
    if (initramfs) files.push(initramfs)
    else if (place) files.push(place(value))
    else assert.ok(plainSettings.includes(name), `config.txt: '${line}' is no setting this test knows`)
  }
  return files
}

/** `name=value` by `[section]`. */
function settings(text: string): Record<string, Record<string, string>> {
  const sections: Record<string, Record<string, string>> = {}
  let section = 'all'
  for (const line of text.split('\n')) {
    section = /^\[(\w+)\]$/.exec(line)?.[1] ?? section
    const [, name, value] = /^(\w+)=(.+)$/.exec(line) ?? []
    if (name !== undefined && value !== undefined) sections[section] = { ...sections[section], [name]: value }
  }
  return sections
}
