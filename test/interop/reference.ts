/** Kamailio in the place of the box: registrar, proxy and presence server with digest over UDP, TCP and TLS. */

import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Child, domain } from '../bench/server.ts'
import type { Box } from './box.ts'

type Places = {
  readonly directory: string
  readonly port: number
  readonly tlsPort: number
  readonly certificate: string
  readonly key: string
  readonly authRequired: boolean
}

export async function startReference(places: Places): Promise<Box> {
  const database = join(places.directory, 'kamailio.sqlite')
  const tables = new DatabaseSync(database)
  for (const part of ['standard', 'usrloc', 'presence'])
    tables.exec(readFileSync(`/usr/share/kamailio/db_sqlite/${part}-create.sql`, 'utf8'))
  tables.close()
  const configuration = join(places.directory, 'kamailio.cfg')
  writeFileSync(configuration, configurationText(places, database))
  const child = new Child('/usr/sbin/kamailio', ['-f', configuration, '-DD', '-E', '-m', '128', '-Y', places.directory])
  await child.printed(/interop: serving/, 10_000)
  return {
    isReference: true,
    port: places.port,
    tlsPort: places.tlsPort,
    certificate: places.certificate,
    directory: places.directory,
    log: () => child.output,
    status: () => ({}),
    stop: async () => {
      await child.end('SIGTERM')
      rmSync(places.directory, { recursive: true, force: true })
    },
  }
}

function configurationText({ port, tlsPort, certificate, key, authRequired }: Places, database: string): string {
  const authenticate = authRequired
    ? `if (!pv_www_authenticate("${domain}", "secret-$fU", "0")) {
    www_challenge("${domain}", "1");
    exit;
  }
  consume_credentials();`
    : ''
  return `#!KAMAILIO
debug=-1
log_stderror=yes
children=1
tcp_children=1
auto_aliases=no
dns=no
rev_dns=no
enable_tls=yes
alias="${domain}"
listen=udp:127.0.0.1:${port}
listen=tcp:127.0.0.1:${port}
listen=tls:127.0.0.1:${tlsPort}

loadmodule "tls.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "xlog.so"
loadmodule "siputils.so"
loadmodule "auth.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "nathelper.so"
loadmodule "db_sqlite.so"
loadmodule "presence.so"
loadmodule "presence_xml.so"

modparam("tls", "tls_method", "TLSv1.2+")
modparam("tls", "certificate", "${certificate}")
modparam("tls", "private_key", "${key}")
modparam("usrloc", "db_mode", 0)
modparam("registrar", "received_avp", "$avp(received)")
modparam("registrar", "gruu_enabled", 0)
modparam("nathelper", "received_avp", "$avp(received)")
modparam("presence", "db_url", "sqlite:///${database}")
modparam("presence", "server_address", "sip:127.0.0.1:${port}")
modparam("presence", "subs_db_mode", 0)
modparam("presence", "publ_cache", 2)
modparam("presence", "cseq_offset", 1)
modparam("presence_xml", "db_url", "sqlite:///${database}")
modparam("presence_xml", "force_active", 1)

request_route {
  if (!mf_process_maxfwd_header("10")) {
    sl_send_reply("483", "Too Many Hops");
    exit;
  }
  if (is_method("ACK")) exit;
  if (is_method("OPTIONS") && uri==myself && $rU==$null) {
    sl_send_reply("200", "OK");
    exit;
  }
  if (is_method("NOTIFY")) {
    t_relay();
    exit;
  }
  ${authenticate}
  if (is_method("REGISTER")) {
    if (proto != UDP) fix_nated_register();
    save("location");
    exit;
  }
  if (is_method("PUBLISH|SUBSCRIBE")) {
    if (!t_newtran()) exit;
    if (is_method("PUBLISH")) handle_publish();
    else handle_subscribe();
    t_release();
    exit;
  }
  if (!lookup("location")) {
    sl_send_reply("404", "Not Found");
    exit;
  }
  t_relay();
}

event_route[core:worker-one-init] {
  xlog("L_ALERT", "interop: serving\\n");
}
`
}
