#!/bin/sh
# Builds sigtool and installs it under a prefix: the program, its backends, man pages and completions.
# usage: ./install.sh [--prefix DIR]        (default: ~/.local)
set -eu
prefix=$HOME/.local
case "${1-}" in
  "") ;;
  --prefix) prefix=${2:?--prefix needs a folder} ;;
  *) echo "usage: ./install.sh [--prefix DIR]" >&2; exit 2 ;;
esac
cd "$(dirname "$0")"
cargo build --release --locked
target=${CARGO_TARGET_DIR:-target}/release
mkdir -p "$prefix/bin" "$prefix/lib/sigtool/backends"
# Put in place by renaming, so that a running sigtool keeps the files that it has open.
put() { # FILE MODE DESTINATION
  install -m "$2" "$1" "$3.new" && mv -f "$3.new" "$3"
}
put "$target/sigtool" 755 "$prefix/bin/sigtool"
for library in "$target"/libsigtool_backend_*.so; do
  put "$library" 644 "$prefix/lib/sigtool/backends/$(basename "$library")"
done
if [ -d man ]; then
  for page in man/*.[1-9]; do
    section=${page##*.}
    mkdir -p "$prefix/share/man/man$section"
    put "$page" 644 "$prefix/share/man/man$section/$(basename "$page")"
  done
fi
echo "installed: $prefix/bin/sigtool"
case ":$PATH:" in
  *":$prefix/bin:"*) ;;
  *) echo "add $prefix/bin to your PATH" ;;
esac
