#!/usr/bin/env bash
# Pushes the archives of OUT (.images) to REGISTRY, with an SBOM (SPDX), provenance (SLSA) and signatures for each digest.
# Usage: images/publish.sh [--dry-run] [operator server training dashboard]
# Signs with COSIGN_KEY if it is set, else keyless, with the identity of the workflow. --dry-run does all of it against a
# registry on this machine with a key made for it, and verifies the result. Tools: images/tools.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
OUT=${OUT:-.images}
PATH=$PWD/$OUT/bin:$PATH
VERSION=$(sed -n '/^\[project\]/,/^$/s/^version = "\(.*\)"/\1/p' pyproject.toml)
TAG=${TAG:-$VERSION}
REGISTRY=${REGISTRY:-ghcr.io/serin-dev}
push=() cosign=(--yes)
verify=(--certificate-identity-regexp "^https://github.com/" --certificate-oidc-issuer https://token.actions.githubusercontent.com)

if [ "${1:-}" = --dry-run ]; then
  shift
  scratch=$(mktemp -d)
  trap 'kill "$registry" 2> /dev/null || true; rm -rf "$scratch"' EXIT
  printf 'version: 0.1\nstorage: {filesystem: {rootdirectory: %s/data}}\nhttp: {addr: "127.0.0.1:5017"}\n' "$scratch" > "$scratch/config.yaml"
  registry serve "$scratch/config.yaml" > "$scratch/log" 2>&1 &
  registry=$!
  REGISTRY=127.0.0.1:5017/serin
  export COSIGN_PASSWORD='' COSIGN_KEY=$scratch/cosign.key
  (cd "$scratch" && cosign generate-key-pair) 2> /dev/null
  push=(--tls-verify=false)
  # Without a transparency log, which is a service on the internet.
  cosign+=(--tlog-upload=false --allow-insecure-registry)
  verify=(--insecure-ignore-tlog --allow-insecure-registry)
fi
[ $# -gt 0 ] || set -- operator server training dashboard
if [ -n "${COSIGN_KEY:-}" ]; then cosign+=(--key "$COSIGN_KEY") verify+=(--key "${COSIGN_KEY%.key}.pub"); fi

for name in "$@"; do
  archive=$OUT/serin-$name.tar
  buildah push --quiet "${push[@]}" --digestfile "$OUT/serin-$name.pushed" "$(buildah pull --quiet "oci-archive:$archive")" \
    "docker://$REGISTRY/serin-$name:$TAG" > /dev/null
  digest=$(cat "$OUT/serin-$name.pushed") image=$REGISTRY/serin-$name@$(cat "$OUT/serin-$name.pushed")
  cmp "$OUT/serin-$name.digest" "$OUT/serin-$name.pushed"
  syft scan --quiet --source-name "serin-$name" --source-version "$digest" "oci-archive:$archive" --output "spdx-json=$OUT/serin-$name.spdx.json"
  python3 images/provenance.py "$archive" > "$OUT/serin-$name.provenance.json"
  cosign sign "${cosign[@]}" "$image"
  cosign attest "${cosign[@]}" --type spdxjson --predicate "$OUT/serin-$name.spdx.json" "$image"
  cosign attest "${cosign[@]}" --type slsaprovenance1 --predicate "$OUT/serin-$name.provenance.json" "$image"
  cosign verify "${verify[@]}" "$image" > /dev/null
  cosign verify-attestation "${verify[@]}" --type spdxjson "$image" > /dev/null
  cosign verify-attestation "${verify[@]}" --type slsaprovenance1 "$image" > /dev/null
  echo "$image: pushed, signed and verified"
done
