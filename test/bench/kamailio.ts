/**
 * Kamailio as Debian packages it, configured by us as registrar and presence server: in memory, or durable in SQLite with
 * every change written before its answer; then also as XCAP server (xcap_server). Without authentication, as the box beside it
 * runs, but for one port that the XCAP load with credentials goes to.
 */

import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { processTree } from './process-cost.ts'
import { Child, domain, freePort, freeTcpPort, passwordOf, type Server } from './server.ts'

const program = '/usr/sbin/kamailio'
const installer = join(import.meta.dirname, '..', 'interop', 'install.sh')
const schemaDirectory = '/usr/share/kamailio/db_sqlite'

export type KamailioMode = {
  readonly storage: 'memory' | 'sqlite'
  /** Receiving processes; undefined is Kamailio's own default of 8. */
  readonly workers: number | undefined
}

/** Installs Kamailio from Debian when it is missing. Returns why it cannot be measured here; undefined when it can. */
export function kamailioMissing(): string | undefined {
  const installed = spawnSync('sh', [installer, 'bench'], { encoding: 'utf8', stdio: ['ignore', 'inherit', 'pipe'] })
  if (installed.status !== 0) return installed.stderr.trim()
  if (!existsSync(program)) return 'kamailio is not installed'
  if (!existsSync(schemaDirectory)) return 'kamailio-sqlite-modules is not installed'
  return undefined
}

export class Kamailio implements Server {
  readonly name: string
  readonly settleMs = 200
  /** It knows who may see, not what of it. */
  readonly obeysRules = false
  port = 0
  httpPort = 0
  digestPort = 0
  readonly #mode: KamailioMode
  readonly #directory = mkdtempSync(join(tmpdir(), 'bench-kamailio-'))
  #child: Child | undefined

  constructor(mode: KamailioMode) {
    this.#mode = mode
    this.name = `kamailio ${mode.storage}, ${mode.workers === undefined ? 'default workers' : `${mode.workers} worker`}`
  }

  get storage(): KamailioMode['storage'] {
    return this.#mode.storage
  }

  get workers(): number | undefined {
    return this.#mode.workers
  }

  async start(): Promise<void> {
    this.port = await freePort()
    if (this.#mode.storage === 'sqlite') [this.httpPort, this.digestPort] = [await freeTcpPort(), await freeTcpPort()]
    const database = join(this.#directory, 'kamailio.sqlite')
    createDatabase(database)
    const configuration = join(this.#directory, 'kamailio.cfg')
    writeFileSync(configuration, kamailioConfiguration(this.#mode, this, database))
    // A transaction stays for 5 s after its answer, with 13 KiB. Its own allocator `fm` in place of the packaged default `qm`, whose searches treble the cost of a PUBLISH.
    this.#child = new Child(program, [
      '-f',
      configuration,
      '-DD',
      '-E',
      '-m',
      '2048',
      '-M',
      '64',
      '-x',
      'fm',
      '-Y',
      this.#directory,
    ])
    await this.#child.printed(/bench: serving/, 10_000)
  }

  /** One of its ports always does. */
  askForCredentials(): void {}

  pids(): number[] {
    return this.#child ? processTree(this.#child.pid) : []
  }

  async stop(): Promise<void> {
    await this.#child?.end('SIGTERM')
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

/** As many as the load has users that prove who they are. */
const subscribers = 2_000

/** Runs the table definitions that come with the package into a new database file. */
function createDatabase(file: string): void {
  const database = new DatabaseSync(file)
  for (const part of ['standard', 'usrloc', 'presence', 'auth_db'])
    database.exec(readFileSync(join(schemaDirectory, `${part}-create.sql`), 'utf8'))
  const add = database.prepare('INSERT INTO subscriber (username, domain, password) VALUES (?, ?, ?)')
  database.exec('BEGIN')
  for (let user = 0; user < subscribers; user++) add.run(`u${user}`, domain, passwordOf(user))
  database.exec('COMMIT')
  database.close()
}

/**
 * The durable mode gives SQLite its write-ahead log, which is the cheaper of its safe modes; both modes let every watcher
 * in without asking the rules, as the box's default handling does.
 */
function kamailioConfiguration(
  mode: KamailioMode,
  { port, httpPort, digestPort }: Pick<Server, 'port' | 'httpPort' | 'digestPort'>,
  database: string,
): string {
  const durable = mode.storage === 'sqlite'
  return `#!KAMAILIO
debug=-1
log_stderror=yes
fork=yes
${mode.workers === undefined ? '' : `children=${mode.workers}`}
${httpPort === 0 ? 'disable_tcp=yes' : `listen=tcp:127.0.0.1:${httpPort}\nlisten=tcp:127.0.0.1:${digestPort}`}
auto_aliases=no
dns=no
rev_dns=no
listen=udp:127.0.0.1:${port}

loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "xlog.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "db_sqlite.so"
loadmodule "presence.so"
loadmodule "presence_xml.so"

modparam("db_sqlite", "db_set_journal_mode", "${database}=WAL;")
modparam("usrloc", "db_mode", ${durable ? 1 : 0})
modparam("usrloc", "db_url", "sqlite:///${database}")
modparam("usrloc", "hash_size", 14)
modparam("registrar", "max_expires", 3600)
modparam("presence", "db_url", "sqlite:///${database}")
modparam("presence", "server_address", "sip:127.0.0.1:${port}")
modparam("presence", "subs_db_mode", ${durable ? 1 : 0})
modparam("presence", "publ_cache", ${durable ? 1 : 2})
modparam("presence", "max_expires", 3600)
modparam("presence", "subs_htable_size", 14)
modparam("presence", "pres_htable_size", 14)
modparam("presence", "cseq_offset", 1)
modparam("presence_xml", "db_url", "sqlite:///${database}")
modparam("presence_xml", "force_active", 1)

request_route {
  if (!mf_process_maxfwd_header("10")) {
    sl_send_reply("483", "Too Many Hops");
    exit;
  }
  if (is_method("PUBLISH|SUBSCRIBE")) {
    if (!t_newtran()) {
      sl_reply_error();
      exit;
    }
    if (is_method("PUBLISH")) handle_publish();
    else handle_subscribe();
    t_release();
    exit;
  }
  if (is_method("REGISTER")) {
    save("location");
    exit;
  }
  if (is_method("OPTIONS")) {
    sl_send_reply("200", "OK");
    exit;
  }
  sl_send_reply("405", "Method Not Allowed");
}

event_route[core:worker-one-init] {
  xlog("L_ALERT", "bench: serving\\n");
}
${httpPort === 0 ? '' : xcapConfiguration(mode, digestPort, database)}`
}

/** Takes documents of up to 64 KiB. One port believes the path about who asks, the other one looks up his password. */
function xcapConfiguration({ workers }: KamailioMode, digestPort: number, database: string): string {
  return `
tcp_accept_no_cl=yes
tcp_connection_lifetime=3600
${workers === undefined ? '' : `tcp_children=${workers}`}

loadmodule "xhttp.so"
loadmodule "xcap_server.so"
loadmodule "auth.so"
loadmodule "auth_db.so"

modparam("xcap_server", "db_url", "sqlite:///${database}")
modparam("xcap_server", "buf_size", 65536)
modparam("auth", "nonce_expire", 3600)
modparam("auth_db", "db_url", "sqlite:///${database}")
modparam("auth_db", "calculate_ha1", 1)
modparam("auth_db", "password_column", "password")

event_route[xhttp:request] {
  if ($Rp == ${digestPort} && !www_authorize("${domain}", "subscriber")) {
    www_challenge("${domain}", "1");
    exit;
  }
  $xcapuri(u=>data) = $hu;
  switch ($rm) {
    case "PUT":
      xcaps_put("$xcapuri(u=>xuid)", "$hu", "$rb");
      break;
    case "GET":
      xcaps_get("$xcapuri(u=>xuid)", "$hu");
      break;
    case "DELETE":
      xcaps_del("$xcapuri(u=>xuid)", "$hu");
      break;
    default:
      xhttp_reply("405", "Method Not Allowed", "", "");
  }
}
`
}
