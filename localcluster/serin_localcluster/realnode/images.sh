#!/usr/bin/env bash
# Builds the operator's and the server's image from this checkout's Dockerfiles with buildah, without an image registry,
# as OCI archives. Usage: images.sh OUTPUT_FOLDER [NAME...]. Needs root and Debian's buildah and debootstrap.
#
# The base image is a Debian with its own Python, made by debootstrap from this machine's mirror. A layer that has not
# changed is taken from the cache.
set -euo pipefail
ROOT=$(realpath "$(dirname "$0")/../../..")
OUT=$(realpath -m "$1"); shift; [ $# -gt 0 ] || set -- operator server
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/serin/images
BASE=localhost/serin-base:trixie
VERSION=$(sed -n 's/^version = "\(.*\)"/\1/p' "$ROOT/pyproject.toml")
mkdir -p "$OUT" "$CACHE"
BUILDAH=(buildah --root "$CACHE/storage" --runroot "$CACHE/run")
exec 9> "$CACHE/lock"; flock 9  # one build at a time

make_base() {
  local folder mirror container
  mirror=$(sed -n 's/^\(URIs:\|deb\) *\(http[^ ]*debian\)\/\? *.*$/\2/p' /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2> /dev/null | head -1 || true)
  folder=$(mktemp -d "$CACHE/base.XXXX"); trap "rm -rf '$folder'" EXIT
  debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates trixie "$folder" "${mirror:-http://deb.debian.org/debian}" > "$CACHE/base.log" 2>&1 ||
    { tail -n 8 "$CACHE/base.log" >&2; return 1; }
  # As in the official image of Python: an interpreter and pip in /usr/local.
  chroot "$folder" /usr/bin/python3 -m venv --copies /usr/local
  rm -rf "$folder"/var/cache/apt/archives/*.deb "$folder"/var/lib/apt/lists/*
  container=$("${BUILDAH[@]}" from scratch)
  "${BUILDAH[@]}" add --quiet "$container" "$folder" / > /dev/null
  "${BUILDAH[@]}" config --env PATH=/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin --cmd python3 "$container"
  "${BUILDAH[@]}" commit --quiet --rm "$container" "$BASE" > /dev/null
  rm -rf "$folder"
}

# What a build needs to reach package indexes from this machine is mounted, so that it does not end up in the image.
MOUNTS=()
for path in /etc/ssl/certs /etc/pip.conf; do
  [ ! -e "$path" ] || MOUNTS+=(--volume "$path:$path:ro")
done

"${BUILDAH[@]}" inspect --type image "$BASE" > /dev/null 2>&1 || { echo "images: making the base image" >&2; make_base; }
for name in "$@"; do
  tag=ghcr.io/serin-dev/serin-$name:$VERSION began=$SECONDS
  "${BUILDAH[@]}" bud --layers --pull-never --isolation chroot --network host "${MOUNTS[@]}" --build-arg "BASE_IMAGE=$BASE" \
    --file "$ROOT/Dockerfile.$name" --tag "$tag" "$ROOT" > "$OUT/serin-$name.log" 2>&1 || { tail -n 20 "$OUT/serin-$name.log" >&2; exit 1; }
  rm -f "$OUT/serin-$name.tar"
  "${BUILDAH[@]}" push --quiet "$tag" "oci-archive:$OUT/serin-$name.tar:$tag" > /dev/null
  echo "images: $tag is in $OUT/serin-$name.tar after $((SECONDS - began)) s" >&2
done
