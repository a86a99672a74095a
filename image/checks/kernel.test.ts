/**
 * `make image-check`: the kernel's own hardening, as its configuration and command line say, beside what the Kernel Self Protection
 * Project and kernel-hardening-checker recommend. Where Debian's kernel differs, the list below says what stands in for it; a
 * difference that is new, and one that is gone, fails. (kernel-hardening-checker itself is not in Debian 12.)
 */

import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readBoard } from '../board.ts'
import { top } from '../tools.ts'

const board = readBoard(process.env.BOARD ?? 'amd64')
const work = join(top, 'build/image', board.name, 'work')
const commandLine = readFileSync(join(work, 'cmdline'), 'utf8').split(' ')

/** `y` for compiled in, `n` for left out (a module is neither), otherwise the value. */
type Wanted = Readonly<Record<string, string>>

const forAll: Wanted = {
  ...all('y', 'STRICT_KERNEL_RWX', 'STRICT_MODULE_RWX', 'VMAP_STACK', 'STACKPROTECTOR_STRONG', 'RANDOMIZE_BASE'),
  ...all('y', 'SLAB_FREELIST_RANDOM', 'SLAB_FREELIST_HARDENED', 'SHUFFLE_PAGE_ALLOCATOR', 'FORTIFY_SOURCE'),
  ...all('y', 'HARDENED_USERCOPY', 'DEBUG_LIST', 'DEBUG_WX', 'SCHED_STACK_END_CHECK', 'BUG_ON_DATA_CORRUPTION'),
  ...all('y', 'INIT_ON_ALLOC_DEFAULT_ON', 'INIT_STACK_ALL_ZERO', 'RANDOMIZE_KSTACK_OFFSET_DEFAULT'),
  ...all('y', 'SECURITY_YAMA', 'SECURITY_LANDLOCK', 'SECURITY_LOCKDOWN_LSM', 'SECURITY_LOCKDOWN_LSM_EARLY'),
  ...all('y', 'SECURITY_DMESG_RESTRICT', 'SECCOMP', 'SECCOMP_FILTER', 'MODULE_SIG', 'MODULE_SIG_FORCE'),
  ...all('y', 'BPF_UNPRIV_DEFAULT_OFF', 'SYN_COOKIES', 'IOMMU_SUPPORT', 'STRICT_DEVMEM', 'IO_STRICT_DEVMEM'),
  ...all('y', 'INIT_ON_FREE_DEFAULT_ON', 'IOMMU_DEFAULT_DMA_STRICT', 'PANIC_ON_OOPS'),
  ...all('n', 'COMPAT_BRK', 'LEGACY_PTYS', 'ACPI_CUSTOM_METHOD', 'SECURITY_SELINUX_DISABLE', 'SLAB_MERGE_DEFAULT'),
  ...all('n', 'KEXEC', 'HIBERNATION', 'PROC_KCORE', 'DEVMEM', 'BINFMT_MISC', 'LDISC_AUTOLOAD', 'USERFAULTFD'),
  ...all('n', 'IO_URING', 'USER_NS', 'DEBUG_FS', 'COREDUMP', 'MAGIC_SYSRQ', 'KPROBES', 'BPF_SYSCALL'),
}
const byArchitecture: Readonly<Record<string, Wanted>> = {
  amd64: {
    ...all('y', 'RANDOMIZE_MEMORY', 'PAGE_TABLE_ISOLATION', 'RETPOLINE', 'X86_UMIP', 'LEGACY_VSYSCALL_NONE'),
    ...all('y', 'INTEL_IOMMU', 'AMD_IOMMU', 'RESET_ATTACK_MITIGATION'),
    ...all('n', 'X86_X32_ABI', 'IA32_EMULATION', 'MODIFY_LDT_SYSCALL', 'X86_MSR'),
    DEFAULT_MMAP_MIN_ADDR: '65536',
  },
  arm64: {
    ...all('y', 'UNMAP_KERNEL_AT_EL0', 'HARDEN_BRANCH_PREDICTOR', 'ARM64_PTR_AUTH', 'ARM64_BTI', 'ARM64_PAN'),
    DEFAULT_MMAP_MIN_ADDR: '32768',
  },
}

/** What Debian's kernel does otherwise, and why a unit is not worse off. */
const answered: Readonly<Record<string, string>> = {
  MODULE_SIG_FORCE: 'module.sig_enforce=1 on the command line, and lockdown',
  INIT_ON_FREE_DEFAULT_ON: 'memory is cleared when it is given out; clearing it twice costs every packet',
  IOMMU_DEFAULT_DMA_STRICT: 'a unit has no sockets for strangers to plug cards into',
  PANIC_ON_OOPS: 'oops=panic on the command line',
  SLAB_MERGE_DEFAULT: 'slab_nomerge on the command line',
  KEXEC: 'kernel.kexec_load_disabled, and lockdown',
  HIBERNATION: 'lockdown',
  PROC_KCORE: 'lockdown',
  DEVMEM: 'lockdown',
  BINFMT_MISC: 'its module is not in the root',
  LDISC_AUTOLOAD: 'dev.tty.ldisc_autoload is off',
  USERFAULTFD: 'vm.unprivileged_userfaultfd is off; the filter of system calls leaves it out',
  IO_URING: 'the filter of system calls leaves it out',
  USER_NS: 'kernel.unprivileged_userns_clone is off',
  DEBUG_FS: 'debugfs=off on the command line',
  COREDUMP: 'kernel.core_pattern runs /bin/false, and the service may write none',
  MAGIC_SYSRQ: 'kernel.sysrq is off',
  KPROBES: 'lockdown',
  BPF_SYSCALL: 'systemd confines services with it; kernel.unprivileged_bpf_disabled, and lockdown',
  X86_X32_ABI: 'off unless the command line asks for it; the filter of system calls takes native ones only',
  IA32_EMULATION: 'there is no 32-bit program, and the filter of system calls takes native ones only',
  MODIFY_LDT_SYSCALL: 'the filter of system calls leaves it out',
  X86_MSR: 'its module is not in the root',
}

function all(value: string, ...names: readonly string[]): Wanted {
  return Object.fromEntries(names.map(name => [name, value]))
}

test('the kernel is configured as recommended, but for what is answered for otherwise', () => {
  const [file] = globSync(join(work, 'boot-files/boot/config-*'))
  const config = new Map(
    [...readFileSync(file!, 'utf8').matchAll(/^CONFIG_(\w+)=(.*)$/gm)].map(([, name, value]) => [name, value]),
  )
  const wanted = { ...forAll, ...byArchitecture[board.architecture] }
  const differing = Object.entries(wanted)
    .filter(([name, value]) => (config.get(name) ?? 'n') !== value)
    .map(([name]) => name)
  const kept = Object.keys(answered).filter(name => name in wanted)
  assert.deepEqual(differing.sort(), kept.sort())
})

test('what is answered for on the command line, by kernel parameters and by leaving modules out, is so', () => {
  const words = [
    'lockdown=integrity',
    'module.sig_enforce=1',
    'oops=panic',
    'panic=10',
    'init_on_alloc=1',
    'slab_nomerge',
  ]
  for (const word of [...words, 'page_alloc.shuffle=1', 'randomize_kstack_offset=on', 'vsyscall=none', 'debugfs=off'])
    assert.ok(commandLine.includes(word), word)
  for (const word of commandLine)
    assert.doesNotMatch(word, /^(mitigations=off|no(smep|smap|pti|kaslr)|pti=off|selinux=0|iommu=off)/)
  const parameters = readFileSync(join(work, 'root/usr/lib/sysctl.d/60-porchlight.conf'), 'utf8')
  for (const line of [
    'kernel.kexec_load_disabled = 1',
    'dev.tty.ldisc_autoload = 0',
    'vm.unprivileged_userfaultfd = 0',
    'kernel.unprivileged_userns_clone = 0',
    'kernel.unprivileged_bpf_disabled = 1',
    'kernel.sysrq = 0',
    'kernel.core_pattern = |/bin/false',
  ])
    assert.ok(parameters.includes(`\n${line}\n`), line)
  const service = readFileSync(join(work, 'root/usr/lib/systemd/system/porchlight.service'), 'utf8')
  for (const line of [
    'SystemCallFilter=@system-service',
    'SystemCallFilter=~io_uring_setup io_uring_enter io_uring_register userfaultfd',
    'SystemCallArchitectures=native',
  ])
    assert.ok(service.includes(`\n${line}\n`), line)
  const modules = globSync('usr/lib/modules/**/*.ko*', { cwd: join(work, 'root') })
  assert.ok(modules.length > 50)
  assert.deepEqual(
    modules.filter(name => /\/(binfmt_misc|msr|dccp|sctp|rds|tipc|firewire-core|cramfs|nfs|cifs)\.ko/.test(name)),
    [],
  )
})
