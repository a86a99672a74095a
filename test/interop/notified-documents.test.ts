/**
 * The documents that the box notifies, against the published schemas with xmllint: composed presence, watcher information,
 * registration information and information about lists, full and changed. Needs the folder of schemas beside the project, and
 * is skipped without it.
 */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Actor } from './actor.ts'
import { type Box, domain, startBox } from './box.ts'

const schemas = resolve(import.meta.dirname, '../../../shared/schemas')

describe('notified documents', { skip: existsSync(schemas) ? false : `no schemas in ${schemas}` }, () => {
  let box: Box
  before(async () => {
    box = await startBox()
  })
  after(() => box.stop())

  test('are valid by their schemas', async () => {
    const [alice, handset, bob, phone] = [
      await Actor.open('alice', box.port),
      await Actor.open('alice', box.port),
      await Actor.open('bob', box.port),
      await Actor.open('bob', box.port),
    ]
    try {
      for (const event of ['presence.winfo', 'reg'] as const)
        assert.equal((await bob.watch('bob', 600, event)).status, 200, event)
      assert.equal((await bob.register()).status, 200)
      assert.equal((await alice.watch('bob')).status, 200)
      assert.equal((await alice.watchList(['bob', 'alice', 'nobody'])).status, 200)
      const partial = 'application/pidf+xml, application/pidf-diff+xml'
      assert.equal((await handset.watch('bob', 600, 'presence', partial)).status, 200)
      assert.equal((await handset.watchList(['bob', 'nobody'], 600, partial)).status, 200)
      assert.equal((await bob.publish('open', 'at home', person('p1', '<rpid:meeting/>'))).status, 200)
      assert.equal((await phone.publish('closed', 'off', person('p2', '<rpid:travel/>'))).status, 200)
      await alice.notified(({ body }) => body.includes('at home') && body.includes('off'), 'both publications')
      await handset.notified(({ body }) => body.includes('off'), 'what has changed')
      await phone.unpublish()
      await bob.unpublish()
      assert.equal((await bob.register(0)).status, 200)
      await alice.watch('bob', 0)
      await alice.notified(({ subscriptionState }) => subscriptionState.startsWith('terminated'), 'the end')
      await bob.notified(({ body }) => /<watcher[^>]*terminated|state="terminated"/.test(body), 'an end in reginfo')

      const seen = new Set<string>()
      for (const { body, schema } of [...alice.notifications, ...handset.notifications, ...bob.notifications].flatMap(
        documentsOf,
      )) {
        seen.add(schema)
        const verdict = spawnSync('xmllint', ['--nonet', '--noout', '--schema', `${schemas}/${schema}`, '-'], {
          input: Buffer.from(body, 'latin1'),
          encoding: 'utf8',
        })
        assert.equal(verdict.status, 0, `${verdict.stderr}\n${body}`)
      }
      assert.deepEqual([...seen].sort(), [
        'pidf-diff.xsd',
        'presence-all.xsd',
        'reginfo.xsd',
        'rlmi.xsd',
        'watcherinfo.xsd',
      ])
      assert.ok(handset.notifications.some(({ body }) => /[<:]pidf-diff /.test(body)))
      assert.ok(
        handset.notifications.some(({ body }) => body.includes('<list') && /[<:]pidf-(?:diff|full) /.test(body)),
      )
    } finally {
      for (const actor of [alice, handset, bob, phone]) actor.close()
    }
  })
})

/** The documents of a NOTIFY, each with its schema; those of a list are in its parts. */
function documentsOf({ body, text }: { body: string; text: string }): { body: string; schema: string }[] {
  const type = /^Content-Type:\s*([^\r\n]+)/im.exec(text)?.[1] ?? ''
  if (body === '') return []
  if (!type.startsWith('multipart/')) return [{ body, schema: schemaOf(type) }]
  const boundary = /boundary=([^;\r\n]+)/.exec(type)![1]!
  return body
    .split(`--${boundary}`)
    .slice(1, -1)
    .map(part => {
      const header = part.slice(0, part.indexOf('\r\n\r\n'))
      const content = part.slice(header.length + 4)
      return { body: content, schema: schemaOf(/^Content-Type:\s*([^\r\n]+)/im.exec(header)?.[1] ?? '') }
    })
}

function schemaOf(type: string): string {
  if (type.startsWith('application/pidf+xml')) return 'presence-all.xsd'
  return `${/application\/([\w-]+)\+xml/.exec(type)?.[1]}.xsd`
}

function person(id: string, activity: string): string {
  return (
    `<dm:person xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" id="${id}">` +
    `<rpid:activities>${activity}</rpid:activities><dm:note>${domain}</dm:note></dm:person>`
  )
}
