#!/usr/bin/env bash
# Builds the tools that sign images, at fixed versions, into FOLDER (.images/bin): syft, cosign, and a registry for `publish.sh --dry-run`.
set -euo pipefail
GOBIN=$(realpath -m "${1:-.images/bin}")
export GOBIN
go install github.com/anchore/syft/cmd/syft@v1.57.1
go install github.com/sigstore/cosign/v2/cmd/cosign@v2.6.5
go install github.com/distribution/distribution/v3/cmd/registry@v3.1.2
