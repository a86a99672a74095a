/**
 * Kamailio on the client side of the box: as an edge proxy with Path and Record-Route between users and their registrar, as
 * a user agent that registers with a password, and as a Presence Source for the users that register with it.
 */

import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, test } from 'node:test'
import { Child } from '../bench/server.ts'
import { Actor } from './actor.ts'
import { type Box, domain, freePortOfBoth, passwordOf, startBox } from './box.ts'

describe('kamailio', () => {
  let box: Box
  before(async () => {
    box = await startBox()
  })
  after(() => box.stop())

  test('as an edge proxy: register, publish, watch and message through it (RFC 3327, RFC 3261 §16)', async context => {
    if (box.isReference) return context.skip('the reference does not keep Path')
    const port = await freePortOfBoth()
    const edge = await startKamailio(box, port, edgeRoutes(box.port))
    const [alice, bob] = [await Actor.open('alice', port), await Actor.open('bob', box.port)]
    try {
      assert.equal((await alice.register()).status, 200)
      assert.equal((await alice.publish('open', 'behind the edge')).status, 200)
      assert.ok((await bob.watch('alice')).status < 300)
      await bob.notified(({ body }) => body.includes('behind the edge'), 'the publication through the edge')

      assert.equal((await bob.publish('open', 'at home')).status, 200)
      assert.ok((await alice.watch('bob')).status < 300)
      const first = await alice.notified(({ body }) => body.includes('at home'), 'the first state')
      assert.equal((first.text.match(/^Via:/gm) ?? []).length, 2, 'NOTIFY came through the edge')
      assert.equal((await bob.publish('closed', 'gone out')).status, 200)
      await alice.notified(({ body }) => body.includes('gone out'), 'the change')

      assert.equal((await bob.message('alice', 'hello behind the edge')).status, 200)
      const message = await alice.receives('hello behind the edge')
      assert.ok((message.match(/^Via:/gm) ?? []).length >= 3, 'MESSAGE took the Path')

      assert.ok((await alice.watch('bob', 0)).status < 300)
      await alice.notified(({ subscriptionState }) => subscriptionState.startsWith('terminated'), 'the end')
      assert.equal((await alice.register(0)).status, 200)
    } finally {
      alice.close()
      bob.close()
      await edge.end('SIGTERM')
    }
  })

  test('as a user agent: registers with digest and is reached', async () => {
    const port = await freePortOfBoth()
    const agent = await startKamailio(box, port, registrantRoutes(box, port))
    const bob = await Actor.open('bob', box.port)
    try {
      await agent.printed(/interop: registered/, 20_000)
      assert.equal((await bob.message('carol', 'hello Kamailio')).status, 200)
      await agent.printed(/interop: MESSAGE hello Kamailio/, 10_000)
    } finally {
      bob.close()
      await agent.end('SIGTERM')
    }
  })
})

describe('kamailio without authentication', () => {
  let box: Box
  before(async () => {
    box = await startBox({ authRequired: false })
  })
  after(() => box.stop())

  test('as a Presence Source: publishes for a user while it is registered there (pua_usrloc)', async () => {
    const port = await freePortOfBoth()
    const source = await startKamailio(box, port, sourceRoutes(box))
    const [dave, bob] = [await Actor.open('dave', port), await Actor.open('bob', box.port)]
    try {
      assert.equal((await dave.register()).status, 200)
      assert.ok((await bob.watch('dave')).status < 300)
      await bob.notified(({ body }) => body.includes('<basic>open</basic>'), 'dave open')
      assert.equal((await dave.register(0)).status, 200)
      await bob.notified(
        ({ body, cseq }) => !body.includes('<basic>open</basic>') && cseq > 1,
        'dave not open any more',
      )
    } finally {
      dave.close()
      bob.close()
      await source.end('SIGTERM')
    }
  })
})

async function startKamailio(box: Box, port: number, routes: string): Promise<Child> {
  const place = mkdtempSync(join(box.directory, 'kamailio-'))
  const configuration = join(place, 'kamailio.cfg')
  writeFileSync(
    configuration,
    `#!KAMAILIO
debug=-1
log_stderror=yes
children=1
disable_tcp=yes
auto_aliases=no
dns=no
rev_dns=no
listen=udp:127.0.0.1:${port}
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "xlog.so"
event_route[core:worker-one-init] {
  xlog("L_ALERT", "interop: serving\\n");
}
${routes}`,
  )
  const child = new Child('/usr/sbin/kamailio', ['-f', configuration, '-DD', '-E', '-m', '64', '-Y', place])
  await child.printed(/interop: serving/, 10_000)
  return child
}

function edgeRoutes(boxPort: number): string {
  return `
loadmodule "path.so"
modparam("path", "use_received", 0)
request_route {
  if (is_method("ACK")) exit;
  if (loose_route()) {
    t_relay();
    exit;
  }
  # What the box sends along a Path has this proxy as its only Route; all else comes from users.
  if ($sp == ${boxPort}) {
    t_relay();
    exit;
  }
  if (is_method("REGISTER")) add_path();
  else if (is_method("SUBSCRIBE|INVITE")) record_route();
  $du = "sip:127.0.0.1:${boxPort}";
  t_relay();
}
`
}

function registrantRoutes(box: Box, port: number): string {
  const database = join(box.directory, 'uac.sqlite')
  const tables = createTables(database, 'uac')
  tables
    .prepare(
      `INSERT INTO uacreg (l_uuid, l_username, l_domain, r_username, r_domain, realm, auth_username, auth_password, auth_proxy,
       expires, contact_addr) VALUES ('carol', 'carol', ?, 'carol', ?, ?, 'carol', ?, ?, 600, ?)`,
    )
    .run(domain, domain, domain, passwordOf('carol'), `sip:127.0.0.1:${box.port}`, `127.0.0.1:${port}`)
  tables.close()
  return `
loadmodule "db_sqlite.so"
loadmodule "timer.so"
loadmodule "rtimer.so"
loadmodule "uac.so"
modparam("uac", "reg_db_url", "sqlite:///${database}")
modparam("uac", "reg_contact_addr", "127.0.0.1:${port}")
modparam("uac", "reg_timer_interval", 1)
modparam("uac", "reg_retry_interval", 30)
modparam("rtimer", "timer", "name=look;interval=1;mode=1;")
modparam("rtimer", "exec", "timer=look;route=LOOK")
route[LOOK] {
  if (uac_reg_status("carol") > 0) xlog("L_ALERT", "interop: registered\\n");
}
request_route {
  if (is_method("MESSAGE")) {
    xlog("L_ALERT", "interop: MESSAGE $rb\\n");
    sl_send_reply("200", "OK");
    exit;
  }
  sl_send_reply("405", "Method Not Allowed");
}
`
}

function sourceRoutes(box: Box): string {
  const database = join(box.directory, 'pua.sqlite')
  createTables(database, 'presence').close()
  return `
loadmodule "db_sqlite.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "pua.so"
loadmodule "pua_usrloc.so"
modparam("usrloc", "db_mode", 0)
modparam("pua", "db_url", "sqlite:///${database}")
modparam("pua", "outbound_proxy", "sip:127.0.0.1:${box.port}")
modparam("pua_usrloc", "default_domain", "${domain}")
request_route {
  if (is_method("REGISTER")) {
    pua_set_publish();
    save("location");
    exit;
  }
  sl_send_reply("405", "Method Not Allowed");
}
`
}

function createTables(file: string, part: string): DatabaseSync {
  const database = new DatabaseSync(file)
  for (const name of ['standard', part])
    database.exec(readFileSync(`/usr/share/kamailio/db_sqlite/${name}-create.sql`, 'utf8'))
  return database
}
