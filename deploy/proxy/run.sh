#!/bin/sh
# Start the proxy in the foreground, as the user who calls it: no root is needed. docs/proxy.md lists the variables.
set -eu
PATH=$PATH:/usr/sbin
: "${PROXY_CERTIFICATE:?the path of the certificate, with its chain}"
: "${PROXY_CERTIFICATE_KEY:?the path of the private key}"
: "${PROXY_KEYS:?the path of the file of API keys}"
: "${PROXY_PORT:=8443}" "${PROXY_HTTP:=127.0.0.1:8000}" "${PROXY_GRPC:=127.0.0.1:8001}"
: "${PROXY_BODY_MB:=700}" "${PROXY_ANSWER_S:=3600}" "${PROXY_RETRY_AFTER_S:=5}"
: "${PROXY_CALLS_PER_MINUTE:=60}" "${PROXY_CALLS_BURST:=20}"
: "${PROXY_CALLS_AT_ONCE:=8}" "${PROXY_ALL_CALLS_AT_ONCE:=64}"
: "${PROXY_FOLDER:=/tmp/triologue-proxy}" "${PROXY_ACCESS_LOG:=}"
export PROXY_CERTIFICATE PROXY_CERTIFICATE_KEY PROXY_KEYS PROXY_PORT PROXY_HTTP PROXY_GRPC PROXY_BODY_MB PROXY_ANSWER_S \
    PROXY_RETRY_AFTER_S PROXY_CALLS_PER_MINUTE PROXY_CALLS_BURST PROXY_CALLS_AT_ONCE PROXY_ALL_CALLS_AT_ONCE \
    PROXY_FOLDER PROXY_ACCESS_LOG

umask 077
mkdir -p "$PROXY_FOLDER"
# In a folder of somebody else's they could exchange the configuration.
[ -O "$PROXY_FOLDER" ] || { echo "$PROXY_FOLDER belongs to somebody else: set PROXY_FOLDER" >&2; exit 1; }
if [ -z "$PROXY_ACCESS_LOG" ]; then
    # nginx opens its log by a path, and /dev/stdout may be closed to a user who has not opened it.
    PROXY_ACCESS_LOG=$PROXY_FOLDER/access
    rm -f "$PROXY_ACCESS_LOG"
    mkfifo -m 600 "$PROXY_ACCESS_LOG"
    cat "$PROXY_ACCESS_LOG" &
fi
# Its own variables alone: nginx has many of the form $name.
envsubst "$(env | sed -n 's/^\(PROXY_[A-Z_]*\)=.*/${\1}/p')" \
    <"$(dirname "$0")/nginx.conf.template" >"$PROXY_FOLDER/nginx.conf"
exec nginx -e stderr -c "$PROXY_FOLDER/nginx.conf" -g 'daemon off;' "$@"
