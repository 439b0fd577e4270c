#!/bin/sh
# Installs sigtool under a prefix: the program, its backends, its man pages and its completion.
# usage: ./install.sh [--prefix DIR] [--from DIR]
#   --prefix DIR   where to (default: ~/.local)
#   --from DIR     take what was built into this folder, in place of building it now
set -eu
usage() {
  echo "usage: ./install.sh [--prefix DIR] [--from DIR]" >&2
  exit 2
}
absolute() { case $1 in /*) printf '%s' "$1" ;; *) printf '%s' "$PWD/$1" ;; esac; }
prefix= built=
while [ $# -gt 0 ]; do
  [ $# -ge 2 ] && [ -n "$2" ] || usage
  case $1 in
    --prefix) prefix=$(absolute "$2") ;;
    --from) built=$(absolute "$2") ;;
    *) usage ;;
  esac
  shift 2
done
[ -n "$prefix" ] || prefix=${HOME:?set HOME, or say --prefix DIR}/.local
cd "$(dirname "$0")"
if [ -z "$built" ]; then
  cargo build --release --locked
  built=$(absolute "${CARGO_TARGET_DIR:-target}")/release
fi
backends=
for folder in backends/*/; do
  name=$(basename "$folder" | tr - _)
  backends="$backends libsigtool_backend_$name.so"
done
for file in sigtool $backends; do
  [ -f "$built/$file" ] || { echo "there is no $file in $built: build it with \`cargo build --release --locked\`" >&2; exit 1; }
done
# Put in place by renaming, so that a running sigtool keeps the files that it has open.
put() { # MODE FILE FOLDER [NAME]
  mkdir -p "$3"
  target=$3/${4:-$(basename "$2")}
  install -m "$1" "$2" "$target.new"
  mv -f "$target.new" "$target"
}
for backend in $backends; do
  put 644 "$built/$backend" "$prefix/lib/sigtool/backends"
done
for page in man/*.[1-9]; do
  put 644 "$page" "$prefix/share/man/man${page##*.}"
done
put 644 completions/sigtool.bash "$prefix/share/bash-completion/completions" sigtool
put 644 completions/_sigtool "$prefix/share/zsh/site-functions"
put 644 completions/sigtool.fish "$prefix/share/fish/vendor_completions.d"
put 755 "$built/sigtool" "$prefix/bin"
echo "installed: $prefix/bin/sigtool"
case ":$PATH:" in
  *":$prefix/bin:"*) ;;
  *) echo "add $prefix/bin to your PATH" ;;
esac
