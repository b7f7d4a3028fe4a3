# Starts a temporary PostgreSQL cluster with durable commits, on a socket in a temporary directory.
#
# Sourced by other scripts, after scripts/install.sh.

postgres_programs() {
    local dir
    for dir in "$(pg_config --bindir 2>/dev/null || true)" $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV); do
        [ -x "$dir/postgres" ] && [ -x "$dir/pgbench" ] && [ -x "$dir/initdb" ] && printf '%s\n' "$dir" && return
    done
    say "pgbench is missing: it is part of PostgreSQL's server package (Debian) or of its contributed programs"
    return 1
}

# PostgreSQL refuses to run as root.
unprivileged() {
    if [ "$(id -u)" = 0 ]; then
        local user=postgres
        id -u "$user" >/dev/null 2>&1 || user=nobody
        setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups -- env HOME=/ "$@"
    else
        "$@"
    fi
}

# Starts a cluster. $1 is the prefix of its directory's name. Its socket is in $scratch/postgres. $programs must be set.
# TMPDIR is not used: a socket's path must be short, and another user must have access.
begin_cluster() {
    scratch=$(mktemp -d "/tmp/$1-XXXXXX")
    trap finish_cluster EXIT
    trap 'exit 130' INT TERM HUP
    chmod 711 "$scratch"
    mkdir "$scratch/postgres"
    if [ "$(id -u)" = 0 ]; then
        chown "$(unprivileged id -u):$(unprivileged id -g)" "$scratch/postgres"
    fi
    (
        cd "$scratch/postgres"
        unprivileged "$programs/initdb" -D data -U postgres -A trust -E UTF8 --no-locale >"$scratch/log" 2>&1
        cat >>data/postgresql.conf <<EOF
listen_addresses = ''
unix_socket_directories = '$scratch/postgres'
max_connections = 300
fsync = on
synchronous_commit = on
full_page_writes = on
EOF
        unprivileged "$programs/pg_ctl" -D data -w -s -l "$scratch/postgres/log" start </dev/null
    ) || { cat "$scratch/log" "$scratch/postgres/log" >&2; return 1; }
}

finish_cluster() {
    local status=$?
    trap - EXIT
    (cd / && unprivileged "$programs/pg_ctl" -D "$scratch/postgres/data" -s -m immediate stop) || true
    rm -rf "$scratch"
    exit "$status"
}
