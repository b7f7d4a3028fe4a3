# Installs the system packages of tests and benchmarks. Sourced by other scripts.
#
# Uses apt on Debian and Ubuntu (and sudo, unless run by root). On other systems, it prints what to install. No service
# is started.

say() {
    printf 'scripts/%s: %s\n' "${0##*/}" "$*" >&2
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        say "this needs root, and sudo is missing: $*"
        exit 1
    fi
}

apt() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@"
}

has_postgres() {
    local dir
    command -v initdb >/dev/null && return
    for dir in "$(pg_config --bindir 2>/dev/null || true)" /usr/lib/postgresql/*/bin; do
        [ -x "$dir/initdb" ] && return
    done
    return 1
}

# Debian's package creates and starts a server, "main", when it is installed. A temporary setting prevents this. The
# setting is removed afterwards, so that later installations of a server work as usual.
install_postgres() {
    local setting=/etc/postgresql-common/createcluster.d/tessera.conf status=0
    apt install -y --no-install-recommends postgresql-common
    as_root mkdir -p "${setting%/*}"
    printf 'create_main_cluster = false\n' | as_root tee "$setting" >/dev/null
    apt install -y --no-install-recommends postgresql || status=$?
    as_root rm -f "$setting"
    return "$status"
}

install_missing() {
    local missing=()
    command -v "${CC:-cc}" >/dev/null || missing+=("a C compiler")
    has_postgres || missing+=("PostgreSQL's server (13 or newer)")
    [ "${#missing[@]}" -gt 0 ] || return 0
    say "missing:$(printf ' [%s]' "${missing[@]}")"
    if ! command -v apt-get >/dev/null; then
        say "please install it; for PostgreSQL, initdb must be in PATH"
        exit 1
    fi
    apt update
    command -v "${CC:-cc}" >/dev/null || apt install -y --no-install-recommends gcc libc6-dev
    has_postgres || install_postgres
}

# Installs the npm packages of a folder by its lock file, unless they are there.
install_packages() {
    local major
    if ! command -v npm >/dev/null && command -v apt-get >/dev/null; then
        apt update >&2
        apt install -y --no-install-recommends nodejs npm >&2
    fi
    major=$(node --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/')
    if ! command -v npm >/dev/null || [ "${major:-0}" -lt 20 ]; then
        say "please install Node.js 20 or newer, with npm"
        exit 1
    fi
    if [ ! -e "$1/node_modules/.package-lock.json" ] || [ "$1/package-lock.json" -nt "$1/node_modules/.package-lock.json" ]; then
        npm ci --prefix "$1" --no-audit --no-fund --loglevel error </dev/null >&2
        touch "$1/node_modules/.package-lock.json"
    fi
}
