#!/bin/sh
# Makes a machine ready to build, run and test stanmatch: system packages, then (once the binary exists) the Stan toolchain.
#
#   scripts/setup.sh system       what the Rust build needs
#   scripts/setup.sh compiler     a C++ compiler, for models that are compiled
#   scripts/setup.sh toolchain    Stan, through the binary at $STANMATCH
#   scripts/setup.sh python       the packages of the Python tests, in .venv
#   scripts/setup.sh browser      Chromium, in which the Python tests open reports
#   scripts/setup.sh book         mdBook, in the target folder, and what renders its formulas, in .venv-book
#
# What cannot be installed here is named, and the script continues: it may not be needed.
set -eu
cd "$(dirname "$0")/.."

say() { echo "setup: $*" >&2; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then sudo -n "$@"
    else return 1
    fi
}

has_openblas() { echo 'int main(void) { return 0; }' | cc -x c - -o /dev/null -lopenblas 2>/dev/null; }
any_exists() { for file; do [ ! -e "$file" ] || return 0; done; return 1; }
# Bindgen loads the library, and reads clang's own stddef.h, which does not come with it.
has_libclang() {
    [ -z "${LIBCLANG_PATH:-}" ] || return 0
    ldconfig -p 2>/dev/null | grep -q libclang || any_exists /usr/lib/llvm-*/lib/libclang*.so* || return 1
    any_exists /usr/lib/llvm-*/lib/clang/*/include/stddef.h /usr/lib*/clang/*/include/stddef.h
}

# The packages, by Debian's names, of what is missing.
missing_packages() {
    command -v cc >/dev/null || echo gcc libc6-dev
    command -v make >/dev/null || echo make
    command -v pkg-config >/dev/null || echo pkg-config
    command -v python3 >/dev/null || echo python3
    python3 -m pip --version >/dev/null 2>&1 || echo python3-pip
    python3 -c 'import venv, ensurepip' 2>/dev/null || echo python3-venv
    { command -v cc >/dev/null && has_openblas; } || echo libopenblas-dev
    has_libclang || echo libclang-dev
}

system() {
    # shellcheck disable=SC2046  # one word per package
    install_packages $(missing_packages)
}

compiler() {
    if command -v "${CXX:-g++}" >/dev/null; then return 0; fi
    install_packages g++
}

browser() {
    for name in chromium chromium-browser google-chrome; do
        if command -v "$name" >/dev/null; then return 0; fi
    done
    install_packages chromium
}

install_packages() {
    [ $# -gt 0 ] || return 0
    packages=$*
    if command -v apt-get >/dev/null && as_root true; then
        say "installing $packages"
        # shellcheck disable=SC2086  # one word per package
        if as_root apt-get update -qq &&
            as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
        then return 0
        fi
    fi
    say "please install (Debian's names): $packages"
    say "continuing with what is here"
}

toolchain() {
    "$STANMATCH" toolchain install "$@" >/dev/null
}

python() { environment .venv tests/python/requirements.txt; }

book() {
    environment .venv-book scripts/book-requirements.txt
    tools=${CARGO_TARGET_DIR:-target}/book-tools
    command -v mdbook >/dev/null || [ -x "$tools/bin/mdbook" ] ||
        cargo install --quiet --locked --root "$tools" mdbook@0.5.4
}

# Makes the Python environment $1 with the packages that the file $2 lists. Without the module venv, pip puts them into a folder
# that PYTHONPATH names.
environment() {
    folder=$1 wanted=$2
    if [ -e "$folder/requirements.txt" ] && cmp -s "$wanted" "$folder/requirements.txt"; then return 0; fi
    say "installing the packages of $wanted into $folder"
    rm -rf "$folder"
    if python3 -c 'import venv, ensurepip' 2>/dev/null; then
        python3 -m venv "$folder"
        "$folder/bin/python" -m pip install --quiet --disable-pip-version-check -r "$wanted"
    else
        say "python3 has no module venv; using pip's --target"
        python3 -m pip install --quiet --disable-pip-version-check --target "$folder/packages" -r "$wanted"
        mkdir -p "$folder/bin"
        printf '#!/bin/sh\nPYTHONPATH="%s" exec python3 "$@"\n' "$PWD/$folder/packages" >"$folder/bin/python"
        chmod +x "$folder/bin/python"
    fi
    cp "$wanted" "$folder/requirements.txt"
}

part=${1:-}
case "$part" in
    system | compiler | toolchain | python | browser | book) shift && "$part" "$@" ;;
    *) say "name one part: system, compiler, toolchain, python, browser or book"; exit 2 ;;
esac
