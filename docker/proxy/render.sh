#!/bin/sh
# Fills in nginx.conf.template from the environment and prints it. README.md names the variables.
set -eu

need() {
    eval "value=\${$1-}"
    [ -n "$value" ] || { echo "$1 is not set; see docker/proxy/README.md" >&2; exit 1; }
}
default() { eval "$1=\${$1:-\$2}"; }

for name in SITE_HOST VIEWER_HOST SITE_UPSTREAM DATA_ROOT STATIC_ROOT; do need "$name"; done
default LISTEN 8080
default RUN /run/lightserv
default WORKERS auto
default VERDICT_S 25
default MOST_CONNECTIONS 100
default ACCESS_LOG /var/log/lightserv/data.log
default ERROR_LOG stderr
default MIME_TYPES /etc/nginx/mime.types
default VIEWER_COOKIE lightserv_viewer
default SCHEME http
default RESOLVER 127.0.0.11
default VIEW_PORT 8080

# Values become words of a configuration: nothing that could end one is let through.
for name in SITE_HOST VIEWER_HOST SITE_UPSTREAM DATA_ROOT STATIC_ROOT LISTEN RUN WORKERS VERDICT_S \
    MOST_CONNECTIONS ACCESS_LOG ERROR_LOG MIME_TYPES VIEWER_COOKIE SCHEME RESOLVER VIEW_PORT; do
    eval "value=\$$name"
    case $value in
    *[!A-Za-z0-9._:/@\ +=,-]*) echo "$name has a character that nginx would misread: $value" >&2; exit 1 ;;
    esac
    script="${script-}s|\${$name}|$value|g;"
done
sed -e "$script" "$(dirname "$0")/nginx.conf.template"
