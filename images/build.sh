#!/usr/bin/env bash
# Builds images with buildah or docker, and writes each as an OCI archive named as in manifests/, with its digest.
# Usage: images/build.sh [operator server training dashboard]
# Environment, with defaults:
#   BASE=docker.io/library/python:3.13-slim-trixie   base image; a release names it by digest: NAME:TAG@sha256:…
#   REGISTRY=ghcr.io/serin-dev   TAG=version in pyproject.toml   PLATFORM=this machine's
#   OUT=.images                  BUILDER=buildah if there, else docker
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- operator server training dashboard
VERSION=$(sed -n '/^\[project\]/,/^$/s/^version = "\(.*\)"/\1/p' pyproject.toml)
BASE=${BASE:-docker.io/library/python:3.13-slim-trixie}
REGISTRY=${REGISTRY:-ghcr.io/serin-dev}
TAG=${TAG:-$VERSION}
PLATFORM=${PLATFORM:-}
OUT=${OUT:-.images}
BUILDER=${BUILDER:-$(command -v buildah > /dev/null && echo buildah || echo docker)}
REVISION=$(git rev-parse HEAD 2> /dev/null || echo unknown)
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2> /dev/null || echo 0)}
case $BASE in *@*) BASE_DIGEST=${BASE##*@} ;; *) BASE_DIGEST= ;; esac

with_buildah() { # NAME REFERENCE ARCHIVE
  # Without a container runtime, buildah runs the steps in a chroot.
  command -v crun runc > /dev/null || export BUILDAH_ISOLATION=${BUILDAH_ISOLATION:-chroot}
  if [ -z "$BASE_DIGEST" ]; then
    buildah inspect --type image "$BASE" > /dev/null 2>&1 || buildah pull --quiet ${PLATFORM:+--platform "$PLATFORM"} "$BASE" > /dev/null
    BASE_DIGEST=$(buildah inspect --type image --format '{{.FromImageDigest}}' "$BASE")
  fi
  buildah build --pull=false --network host ${PLATFORM:+--platform "$PLATFORM"} --timestamp "$SOURCE_DATE_EPOCH" "${arguments[@]}" \
    --build-arg BASE_DIGEST="$BASE_DIGEST" --file "Dockerfile.$1" --tag "$2" .
  buildah push --quiet --digestfile "$OUT/serin-$1.digest" "$2" "oci-archive:$3:$2" > /dev/null
}

with_docker() { # NAME REFERENCE ARCHIVE
  docker buildx build --provenance=false ${PLATFORM:+--platform "$PLATFORM"} "${arguments[@]}" --build-arg BASE_DIGEST="$BASE_DIGEST" \
    --file "Dockerfile.$1" --tag "$2" --output "type=oci,dest=$3,rewrite-timestamp=true" .
  tar -xOf "$3" index.json | sed -n 's/.*"digest": *"\(sha256:[0-9a-f]*\)".*/\1/p' > "$OUT/serin-$1.digest"
}

mkdir -p "$OUT"
arguments=(--build-arg BASE="$BASE" --build-arg VERSION="$VERSION" --build-arg REVISION="$REVISION"
  --build-arg SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH")
for name in "$@"; do
  reference=$REGISTRY/serin-$name:$TAG archive=$OUT/serin-$name.tar
  rm -f "$archive.new"
  "with_$BUILDER" "$name" "$reference" "$archive.new" > "$OUT/serin-$name.log" 2>&1 || { tail -30 "$OUT/serin-$name.log" >&2; exit 1; }
  mv "$archive.new" "$archive"
  echo "$reference@$(cat "$OUT/serin-$name.digest") $archive $(($(stat -c %s "$archive") / 1000000)) MB"
done
