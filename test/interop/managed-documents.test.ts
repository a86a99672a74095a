/**
 * Documents managed by clients that are not ours: one in Python that shares nothing with the box but the standards
 * (`xcap-client.py`), and curl. Every document they are given is judged by xmllint and the published schemas, as far as the
 * folder of schemas is beside the project.
 */

import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { freeTcpPort } from '../bench/server.ts'
import { Actor } from './actor.ts'
import { type Box, domain, passwordOf, startBox } from './box.ts'

const schemas = resolve(import.meta.dirname, '../../../shared/schemas')
const run = promisify(execFile)
const operator = 'dave'

describe('managed documents', () => {
  let box: Box
  let ports: { readonly plain: number; readonly secure: number }

  before(async () => {
    ports = { plain: await freeTcpPort(), secure: await freeTcpPort() }
    box = await startBox({
      settings: {
        'http.listen': `127.0.0.1:${ports.plain}`,
        'https.listen': `127.0.0.1:${ports.secure}`,
        'xcap.operators': operator,
      },
    })
  })
  after(() => box.stop())

  for (const [user, transport, algorithm] of [
    ['alice', 'http', 'SHA-256'],
    ['bob', 'http', 'MD5'],
    ['carol', 'https', 'SHA-256'],
    ['dave', 'https', 'MD5'],
  ] as const) {
    test(`a client in Python reads, edits and errs, over ${transport} with ${algorithm}`, async () => {
      const kept = join(box.directory, user)
      mkdirSync(kept)
      const root = transport === 'http' ? `http://127.0.0.1:${ports.plain}` : `https://localhost:${ports.secure}`
      const client = join(import.meta.dirname, 'xcap-client.py')
      const who = [user, `sip:${user}@${domain}`, passwordOf(user), algorithm]
      const words = [client, `${root}/xcap-root`, ...who, kept, box.certificate]
      const { stdout } = await run('python3', words).catch((error: { stdout: string; stderr: string }) => {
        throw new Error(`${error.stdout}${error.stderr}`)
      })
      const [, checks = '0', documents = '0'] = /^(\d+) checks, (\d+) documents kept$/m.exec(stdout) ?? []
      assert.ok(Number(checks) > 500, stdout)
      assert.equal(readdirSync(kept).length, Number(documents))
      const hasIndex = readdirSync(kept).some(name => name.startsWith('rls-services~'))
      assert.equal(hasIndex, user === operator, 'the global index is for operators')
      if (existsSync(schemas)) for (const name of readdirSync(kept)) judge(join(kept, name), name.split('~')[0]!)
    })
  }

  test('what rules put with curl let a watcher see is valid', async () => {
    const alice = await Actor.open('alice', box.port)
    try {
      assert.equal((await alice.publish('open', 'at home', person)).status, 200)
      const permissions = {
        nothing: '',
        services: '<pr:provide-services><pr:all-services/></pr:provide-services>',
        persons: '<pr:provide-persons><pr:all-persons/></pr:provide-persons><pr:provide-mood>true</pr:provide-mood>',
      }
      for (const handling of ['allow', 'polite-block'])
        for (const [name, granted] of Object.entries(permissions)) {
          putRules(ports.plain, box.directory, handling, granted)
          const bob = await Actor.open('bob', box.port)
          assert.equal((await bob.watch('alice')).status, 200)
          const { body } = await bob.notified(({ body }) => body !== '', name)
          const view = join(box.directory, `view-${handling}-${name}.xml`)
          writeFileSync(view, body, 'latin1')
          assert.equal(
            body.includes('<rpid:mood') || body.includes(':mood>'),
            handling === 'allow' && name === 'persons',
          )
          if (existsSync(schemas)) judge(view, 'presence-all')
          assert.equal((await bob.watch('alice', 0)).status, 200)
          bob.close()
        }
    } finally {
      alice.close()
    }
  })

  /** Throws when the document is not of the schema of that name. */
  function judge(file: string, schema: string): void {
    let path = join(schemas, `${schema}.xsd`)
    if (schema === 'oma-xcap-error') {
      const error = `<xs:import namespace="urn:ietf:params:xml:ns:xcap-error" schemaLocation="${schemas}/xcap-error.xsd"/>`
      const oma = `<xs:import namespace="urn:oma:xml:xdm:xcap-error" schemaLocation="${path}"/>`
      path = join(box.directory, 'driver.xsd')
      writeFileSync(path, `<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">${error}${oma}</xs:schema>`)
    }
    execFileSync('xmllint', ['--nonet', '--noout', '--schema', path, file], { stdio: ['ignore', 'ignore', 'pipe'] })
  }
})

const person =
  `<dm:person xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" id="p1">` +
  `<rpid:activities><rpid:meeting/></rpid:activities><rpid:mood><rpid:happy/></rpid:mood></dm:person>`

function putRules(port: number, directory: string, handling: string, granted: string): void {
  const rules = join(directory, 'rules.xml')
  writeFileSync(
    rules,
    `<ruleset xmlns="urn:ietf:params:xml:ns:common-policy" xmlns:pr="urn:ietf:params:xml:ns:pres-rules"><rule id="a">` +
      `<conditions><identity><one id="sip:bob@${domain}"/></identity></conditions>` +
      `<actions><pr:sub-handling>${handling}</pr:sub-handling></actions>` +
      `<transformations>${granted}</transformations></rule></ruleset>`,
  )
  const url = `http://127.0.0.1:${port}/xcap-root/pres-rules/users/sip:alice@${domain}/index`
  const type = 'Content-Type: application/auth-policy+xml'
  const who = ['--digest', '-u', `alice:${passwordOf('alice')}`]
  execFileSync('curl', ['-sS', '--fail', ...who, '-X', 'PUT', '-H', type, '--data-binary', `@${rules}`, url])
}
