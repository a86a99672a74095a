#!/bin/sh
# Installs from Debian the peers that `make interop` and `make bench` run against, as far as they are missing.
# usage: install.sh bench|interop      exit status 1 when something is missing and cannot be installed
set -u
# A program that shows a package is there, then the package.
bench='kamailio:kamailio kamailio/modules/presence.so:kamailio-presence-modules kamailio/modules/db_sqlite.so:kamailio-sqlite-modules'
interop="$bench sipp:sip-tester linphonec:linphone-cli baresip:baresip-core finch:finch dbus-run-session:dbus-daemon
  dbus-send:dbus-bin tshark:tshark xmllint:libxml2-utils openssl:openssl python3:python3 curl:curl"
case "${1:-}" in
  bench) wanted=$bench ;;
  interop) wanted=$interop ;;
  *) echo "usage: $0 bench|interop" >&2; exit 2 ;;
esac

PATH=$PATH:/usr/sbin:/sbin
missing=
for pair in $wanted; do
  shown_by=${pair%%:*}
  case $shown_by in
    */*) ls /usr/lib/*/"$shown_by" >/dev/null 2>&1 || missing="$missing ${pair#*:}" ;;
    *) command -v "$shown_by" >/dev/null 2>&1 || missing="$missing ${pair#*:}" ;;
  esac
done
[ -z "$missing" ] && exit 0
if ! command -v apt-get >/dev/null 2>&1; then echo "missing:$missing; this is no Debian" >&2; exit 1; fi
if [ "$(id -u)" != 0 ]; then echo "missing:$missing; as root: apt-get install$missing" >&2; exit 1; fi

echo "installing from Debian:$missing" >&2
# The peers are started by the tests alone: no service of theirs may start on installation.
policy=/usr/sbin/policy-rc.d
ours=
if [ ! -e $policy ]; then
  printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy && ours=yes
fi
log=$(mktemp)
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
{ apt-get -q update && apt-get -qy install --no-install-recommends $missing; } >"$log" 2>&1
status=$?
[ -n "$ours" ] && rm -f $policy
[ $status = 0 ] || tail -n 20 "$log" >&2
rm -f "$log"
exit $status
