# Shared by the scripts here: where things are built, and what has to be installed for it.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$HOME/.cache/fl0wfs/target}
RELEASE=$CARGO_TARGET_DIR/release

say() { printf '%s\n' "$*"; }
die() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "this needs root, and there is no sudo: $*"
    fi
}

# has_libclang: RocksDB's bindings are made with it.
has_libclang() {
    local found=(/usr/lib/llvm-*/lib/libclang*.so* /usr/lib/*/libclang*.so* /usr/lib64/libclang*.so*)
    [ -n "${LIBCLANG_PATH:-}" ] || [ -e "${found[0]}" ] || [ -e "${found[1]:-}" ] || [ -e "${found[2]:-}" ]
}

# missing_packages FOR: the Debian packages that are missing to build, to mount, to test.
missing_packages() {
    local purpose
    for purpose in "$@"; do
        case $purpose in
        build)
            command -v cc >/dev/null || echo build-essential
            command -v c++ >/dev/null || echo g++
            command -v make >/dev/null || echo make
            command -v clang >/dev/null || echo clang
            has_libclang || echo libclang-dev
            ;;
        mount)
            command -v fusermount3 >/dev/null || echo fuse3
            ;;
        test)
            command -v getfattr >/dev/null || echo attr
            command -v git >/dev/null || echo git
            command -v vim >/dev/null || echo vim
            command -v python3 >/dev/null || echo python3
            command -v awk >/dev/null || echo mawk
            command -v mkfs.ext4 >/dev/null || [ -x /sbin/mkfs.ext4 ] || echo e2fsprogs
            ;;
        esac
    done | sort -u
}

# install_missing FOR...: installs what is missing, and nothing where nothing is.
install_missing() {
    local packages
    packages=$(missing_packages "$@")
    [ -n "$packages" ] || return 0
    command -v apt-get >/dev/null || die "please install: $packages"
    say "installing: $(echo $packages)"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq || say "apt-get update failed; trying all the same"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null ||
        die "these packages could not be installed: $packages"
}

need_cargo() {
    command -v cargo >/dev/null || { [ -f "$HOME/.cargo/env" ] && . "$HOME/.cargo/env"; }
    command -v cargo >/dev/null || die "there is no cargo; install Rust from https://rustup.rs first"
}

# build: both programs. The first time takes a while, since RocksDB is compiled.
build() {
    need_cargo
    [ -x "$RELEASE/fl0wfs" ] || say "building (the first time takes about ten minutes)"
    (cd "$ROOT" && cargo build --release --workspace --locked ${1:-}) || die "the build failed"
}
