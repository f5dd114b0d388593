"""Print the SLSA provenance (version 1.0) of an image: the predicate that `cosign attest --type slsaprovenance1` signs.

python images/provenance.py ARCHIVE
"""

import json
import os
import sys
from pathlib import Path

from table import Archive

BUILD_TYPE = "https://github.com/serin-dev/serin/blob/main/docs/images.md"


def predicate(archive: Archive, *, name: str) -> dict[str, object]:
    """Return what the image was built from, by its labels, and where, by the variables that GitHub Actions sets."""
    labels = {key.removeprefix("org.opencontainers.image."): text for key, text in archive.labels().items()}
    server, repository = os.environ.get("GITHUB_SERVER_URL", ""), os.environ.get("GITHUB_REPOSITORY", "")
    run = f"{server}/{repository}/actions/runs/{os.environ.get('GITHUB_RUN_ID', '')}"
    workflow = os.environ.get("GITHUB_WORKFLOW_REF", "")
    algorithm, _, base = labels["base.digest"].partition(":")
    base_image = {"uri": f"pkg:docker/{labels['base.name']}"} | ({"digest": {algorithm: base}} if base else {})
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {"image": name, "source": labels["source"], "revision": labels["revision"]},
            "resolvedDependencies": [
                {"uri": f"git+{labels['source']}", "digest": {"gitCommit": labels["revision"]}},
                base_image,
            ],
        },
        "runDetails": {
            "builder": {"id": f"{server}/{workflow}" if workflow else "local"},
            "metadata": {"invocationId": run if server else "local"},
        },
    }


def main(path: str) -> None:
    """Print the predicate as JSON."""
    json.dump(predicate(Archive(Path(path)), name=Path(path).stem), sys.stdout, indent=2)


if __name__ == "__main__":
    main(*sys.argv[1:])
