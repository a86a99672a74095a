/** The image step of CI tells its own failures from those of a mirror or a machine: only the latter two are passed over (status 77). */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { top } from '../../../image/tools.ts'

/** Programs that the step calls, all well; a case replaces some. `$*` are a call's words. */
const well = {
  uname: 'echo x86_64',
  df: 'echo 99999999',
  id: 'echo 0',
  unshare: '',
  sleep: '',
  'apt-get': '',
  'dpkg-query': '',
  make: '',
}
const short = Number(/^MemAvailable: *(\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1] ?? 0) < 3_000_000

function step(
  t: TestContext,
  replaced: Partial<typeof well>,
): { readonly status: number | null; readonly said: string } {
  const folder = mkdtempSync(join(tmpdir(), 'porchlight-ci-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  for (const [name, script] of Object.entries({ ...well, ...replaced })) {
    writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`)
    chmodSync(join(folder, name), 0o755)
  }
  const env = { ...process.env, PATH: `${folder}:${process.env.PATH}` }
  const { status, stdout } = spawnSync(join(top, '.ci/image'), { env, encoding: 'utf8' })
  return { status, said: stdout.trim().split('\n').at(-1) ?? '' }
}

/** Fails when the words of the call match, as the shell's case does. */
const failing = (pattern: string): string => `case "$*" in ${pattern}) exit 1 ;; esac`
const isMissing = 'echo "unknown ok not-installed"'

for (const [what, replaced, status, said] of [
  ['all is well', {}, 0, undefined],
  ['another processor', { uname: 'echo riscv64' }, 77, /x86-64/],
  ['no room', { df: 'echo 1000' }, 77, /disk/],
  ['no right to mount', { unshare: 'exit 1' }, 77, /mount/],
  ['no mirror', { 'apt-get': failing('*download*') }, 77, /no package mirror/],
  ['a package that does not exist', { 'dpkg-query': isMissing, 'apt-get': failing('*--simulate*') }, 1, /host\.list/],
  ['packages that do not come', { 'dpkg-query': isMissing, 'apt-get': failing('*--download-only*') }, 77, /mirror/],
  [
    'packages that do not install',
    { 'dpkg-query': isMissing, 'apt-get': `case "$*" in *--simulate*|*--download-only*) ;; *install*) exit 1 ;; esac` },
    77,
    /does not take/,
  ],
  ['no base though the mirror answers', { make: failing('image-base*') }, 1, /Debian's part/],
  ['no image', { make: failing('image\\ *') }, 1, /make image/],
  ['a check that fails', { make: failing('image-check*') }, 1, /a check/],
  ['a boot that fails', { make: failing('image-test*') }, 1, /a check/],
] as const)
  test(`${what}: status ${status}`, { skip: short && 'this machine has too little memory for the step' }, t => {
    const result = step(t, replaced)
    assert.equal(result.status, status, result.said)
    if (said !== undefined) assert.match(result.said, said)
  })

test('a mirror that stops answering while the base is made is no failure of ours; one hiccup is not even noticed', {
  skip: short && 'this machine has too little memory for the step',
}, t => {
  const folder = mkdtempSync(join(tmpdir(), 'porchlight-ci-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const gone = join(folder, 'gone')
  const stops = step(t, {
    make: `case "$*" in image-base*) : >${gone}; exit 1 ;; esac`,
    'apt-get': `case "$*" in *download*) [ ! -e ${gone} ] ;; esac`,
  })
  assert.deepEqual([stops.status, /does not answer/.test(stops.said)], [77, true], stops.said)
  const once = join(folder, 'once')
  const hiccup = step(t, { make: `case "$*" in image-base*) [ -e ${once} ] || { : >${once}; exit 1; } ;; esac` })
  assert.equal(hiccup.status, 0, hiccup.said)
})
