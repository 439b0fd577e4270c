#!/bin/sh
# Installs sigtool under a prefix: the program, backends, its man pages and its completion.
# usage: ./install.sh [--prefix DIR] [--from DIR] [--backends all|ID,ID...]
#   --prefix DIR      where to (default: ~/.local)
#   --from DIR        take what was built into this folder, in place of building it now
#   --backends LIST   which backends: `all`, or ids separated by commas (default: those that `cargo build` makes)
set -eu
usage() {
  echo "usage: ./install.sh [--prefix DIR] [--from DIR] [--backends all|ID,ID...]" >&2
  exit 2
}
absolute() { case $1 in /*) printf '%s' "$1" ;; *) printf '%s' "$PWD/$1" ;; esac; }
prefix= built= chosen=
while [ $# -gt 0 ]; do
  [ $# -ge 2 ] && [ -n "$2" ] || usage
  case $1 in
    --prefix) prefix=$(absolute "$2") ;;
    --from) built=$(absolute "$2") ;;
    --backends) chosen=$2 ;;
    *) usage ;;
  esac
  shift 2
done
[ -n "$prefix" ] || prefix=${HOME:?set HOME, or say --prefix DIR}/.local
cd "$(dirname "$0")"

all() { for folder in backends/*/; do basename "$folder"; done; }
# The default set stands in one place: the root Cargo.toml's `default-members`.
default() { sed -n '/^default-members/,/\]/p' Cargo.toml | grep -o '"backends/[^"]*"' | sed 's|"backends/\(.*\)"|\1|'; }
case $chosen in
  '') ids=$(default) ;;
  all) ids=$(all) ;;
  *) ids=$(printf '%s' "$chosen" | tr -s ', ' '\n\n') ;;
esac
for id in $ids; do
  all | grep -qxF -e "$id" || {
    echo "there is no backend \`$id\`: there are $(all | paste -sd ' ' - | sed 's/ /, /g')" >&2
    exit 2
  }
done
[ -n "$ids" ] || usage

packages="-p sigtool"
for id in $ids; do packages="$packages -p sigtool-backend-$id"; done
if [ -z "$built" ]; then
  # shellcheck disable=SC2086
  cargo build --release --locked $packages
  built=$(absolute "${CARGO_TARGET_DIR:-target}")/release
fi
library() { echo "libsigtool_backend_$(echo "$1" | tr - _).so"; }
for file in sigtool $(for id in $ids; do library "$id"; done); do
  [ -f "$built/$file" ] || {
    echo "there is no $file in $built: build it with \`cargo build --release --locked $packages\`" >&2
    exit 1
  }
done

# Put in place by renaming, so that a running sigtool keeps the files that it has open.
put() { # MODE FILE FOLDER [NAME]
  mkdir -p "$3"
  target=$3/${4:-$(basename "$2")}
  install -m "$1" "$2" "$target.new"
  mv -f "$target.new" "$target"
}
backends=$prefix/lib/sigtool/backends
for id in $ids; do
  put 644 "$built/$(library "$id")" "$backends"
done
for page in man/*.[1-9]; do
  put 644 "$page" "$prefix/share/man/man${page##*.}"
done
put 644 completions/sigtool.bash "$prefix/share/bash-completion/completions" sigtool
put 644 completions/_sigtool "$prefix/share/zsh/site-functions"
put 644 completions/sigtool.fish "$prefix/share/fish/vendor_completions.d"
put 755 "$built/sigtool" "$prefix/bin"
echo "installed: $prefix/bin/sigtool, with $(echo $ids | sed 's/ /, /g')"
# An older one may be of no use to this program, and whoever chose others may still want it: it is named, and left to them.
for id in $(all); do
  file=$backends/$(library "$id")
  case " $(echo $ids) " in *" $id "*) continue ;; esac
  [ ! -f "$file" ] || echo "left as it was: $file"
done
case ":$PATH:" in
  *":$prefix/bin:"*) ;;
  *) echo "add $prefix/bin to your PATH" ;;
esac
