# Shared by the scripts in this folder: messages, and packages of the operating system. Sourced, not run.
# shellcheck shell=bash disable=SC2154 # root: set by whoever sources this

say() { printf '%s: %s\n' "$(basename "$0")" "$*"; }
fail() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

# Runs a command as root, if we are root or may become it without a password.
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then sudo -n "$@"
    else return 1
    fi
}

apt_updated=no
apt_update() {
    [ $apt_updated = yes ] && return 0
    as_root apt-get update -qq || return 1
    apt_updated=yes
}

# Installs packages of Debian or its kin. Fails with the command that an administrator would have to run.
apt_install() {
    command -v apt-get >/dev/null || fail "this machine has no apt-get; install by hand: $*"
    apt_update || fail "cannot run apt-get as root; ask an administrator for: apt-get install $*"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null ||
        fail "apt-get could not install $*"
}

apt_has() { command -v apt-cache >/dev/null && apt-cache show "$1" >/dev/null 2>&1; }

# Installs the packages of which a program is missing. Arguments: PROGRAM=PACKAGE …
need_programs() {
    local pair missing=()
    for pair in "$@"; do
        command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
    done
    if [ ${#missing[@]} != 0 ]; then
        say "installing ${missing[*]}"
        apt_install "${missing[@]}"
    fi
}

# What building takes: libpq is built from source and uses the system's OpenSSL.
need_build_packages() {
    need_programs gcc=gcc make=make perl=perl pkg-config=pkg-config
    if [ ! -e /usr/include/stdlib.h ]; then apt_install libc6-dev; fi
    if ! pkg-config --exists openssl; then
        say "installing libssl-dev"
        apt_install libssl-dev
    fi
}

# Debian makes and starts a cluster when a server package is installed, unless this file is there before. A cluster that exists already
# is left alone.
without_debian_cluster() {
    local policy=/etc/postgresql-common/createcluster.d/cadena.conf
    if [ -e "$policy" ]; then return 0; fi
    as_root mkdir -p "$(dirname "$policy")" && printf 'create_main_cluster = false\n' | as_root tee "$policy" >/dev/null
}

wanted_rust() { sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml"; }

# Tells whether version $1 is at least version $2.
is_at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

has_rust() { command -v cargo >/dev/null && is_at_least "$(cargo --version | awk '{ print $2 }')" "$(wanted_rust)"; }

# Makes sure that there is a Rust that is new enough (rust-version in Cargo.toml). With argument "install" it takes Debian's if there is
# none: rustc-web is the one that Debian keeps new, for its browsers.
need_rust() {
    local package version
    if ! command -v cargo >/dev/null && [ -x "${HOME:-/root}/.cargo/bin/cargo" ]; then PATH="${HOME:-/root}/.cargo/bin:$PATH"; fi
    if has_rust; then return 0; fi
    if [ "${1:-}" = install ] && ! command -v cargo >/dev/null && apt_update; then
        for package in -web ''; do
            version=$(apt-cache policy "cargo$package" | awk '/Candidate:/ { print $2 }')
            # Up to Debian 12 the package cargo has a version of its own, 0.66 for Rust 1.65: too old by any count.
            if is_at_least "${version:-0}" "$(wanted_rust)"; then
                say "installing rustc$package, cargo$package $version"
                apt_install "rustc$package" "cargo$package"
                if has_rust; then return 0; fi
            fi
        done
    fi
    fail "needs Rust $(wanted_rust) or newer (found: $(cargo --version 2>/dev/null || echo none)); install it as https://rustup.rs says"
}
