#!/usr/bin/env bash
# Makes a stand-in for the base image from Debian's packages, for machines that reach no image registry:
# Debian trixie with its own Python 3.13, under the tag of the real base. Needs root, buildah and debootstrap.
# Usage: images/base.sh [TAG]
set -euo pipefail
TAG=${1:-docker.io/library/python:3.13-slim-trixie}
BUILDAH=${BUILDAH:-buildah}
MIRROR=${MIRROR:-http://deb.debian.org/debian}
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-0}
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates trixie "$root" "$MIRROR" >&2
# As in the real one: python and pip are in /usr/local, and the standard library has no .pyc files.
chroot "$root" /usr/bin/python3 -m venv --copies /usr/local
find "$root" -depth -name __pycache__ -exec rm -rf {} +
rm -rf "$root"/var/cache/apt/* "$root"/var/cache/debconf/*-old "$root"/var/cache/ldconfig "$root"/var/lib/apt/lists/* "$root"/var/log/*
# pip and apt reach their registries from the build as they do from here.
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
for file in /etc/pip.conf /etc/apt/apt.conf.d/*proxy*; do
  if [ -f "$file" ]; then cp -L "$file" "$root$file"; fi
done

container=$($BUILDAH from scratch)
$BUILDAH add --quiet "$container" "$root" / > /dev/null
$BUILDAH config --env PATH=/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin --cmd python3 "$container"
$BUILDAH commit --quiet --rm --timestamp "$SOURCE_DATE_EPOCH" "$container" "$TAG"
