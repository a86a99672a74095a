/**
 * The documents by which changes are notified (RFC 5874), against the published schema with xmllint: first listings, changes in
 * every mode, components of every kind. Needs the folder of schemas beside the project, and is skipped without it.
 */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { test } from 'node:test'
import { at, ChangeWorld } from '../unit/entities/xdms/change-world.ts'

const schemas = resolve(import.meta.dirname, '../../../shared/schemas')
const index = `${at}/index`
const services = 'rls-services/users/sip:joe@example.com/index'
const rls = `<?xml version="1.0"?>
<s:rls-services xmlns:s="urn:ietf:params:xml:ns:rls-services" xmlns:rl="urn:ietf:params:xml:ns:resource-lists" xmlns:d="urn:d"><s:service uri="sip:m@example.com"><s:list name="m"><rl:entry uri="sip:joe@example.com" d:a="b"/></s:list><s:packages/></s:service></s:rls-services>`

test('notified changes are valid by their schema', {
  skip: existsSync(schemas) ? false : `no schemas in ${schemas}`,
}, () => {
  let count = 0
  for (const mode of ['no-patching', 'xcap-patching', 'aggregate']) {
    const world = new ChangeWorld()
    world.put(services, rls)
    world.put(index, '<doc><a>1</a></doc>')
    const uris = [
      '/',
      `${services}/~~/*/service%5b@uri='sip:m@example.com'%5d`,
      `${services}/~~/*/service/@uri`,
      `${index}/~~/doc/@id`,
    ]
    world.subscribe(uris, { event: `xcap-diff;diff-processing=${mode}` })
    const changes = [
      () => world.put(`${index}/~~/doc/@id`, '"&lt;é"'),
      () => world.put(`${index}/~~/doc/b`, '<b c="d">&amp;<!-- e --></b>'),
      () => world.put(index, '<doc>\n  <a>2</a> <b xmlns:x="u:x" x:c="1"/></doc>'),
      () => world.put(`${services}/~~/rls-services/service/packages/package`, '<s:package>presence</s:package>'),
      () => world.put(`${at}/other`, '<doc/>'),
      () => world.xcap('DELETE', `${at}/other`),
      () => world.xcap('DELETE', services),
      () => world.xcap('DELETE', index),
    ]
    for (const change of changes) {
      change()
      world.pass(5)
    }
    for (const { request } of world.sent) {
      if (request.body.length === 0) continue
      const verdict = spawnSync('xmllint', ['--nonet', '--noout', '--schema', `${schemas}/xcap-diff.xsd`, '-'], {
        input: request.body,
        encoding: 'utf8',
      })
      assert.equal(verdict.status, 0, `${verdict.stderr}\n${Buffer.from(request.body)}`)
      count++
    }
  }
  assert.ok(count >= 3 * 8, `${count} documents`)
})
