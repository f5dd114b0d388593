"""The programs of a local cluster: those installed on this machine, else ones built from their published Go modules.

`python -m serin_localcluster.programs` builds what is missing. It needs no package but the standard library, so that it
can run while the environment is being installed.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from serin_localcluster.build import BuildError, CompilerError, build

MINIMUM_VERSIONS: Final = {
    "etcd": (3, 5),
    "kube-apiserver": (1, 30),
    "kube-controller-manager": (1, 30),
    "prometheus": (3,),
}
ASSETS: Final = "KUBEBUILDER_ASSETS"
"""Environment variable that names a directory with etcd and kube-apiserver, as in controller-runtime's envtest."""


def find_programs(names: Sequence[str] = tuple(MINIMUM_VERSIONS)) -> dict[str, list[str]]:
    """Return the command that starts each program; what is not installed is built. Raises BuildError."""
    installed = {name: [str(path)] for name in names if (path := find_installed(name)) is not None}
    return installed | build([name for name in names if name not in installed])


def find_installed(name: str) -> Path | None:
    """Return a program from KUBEBUILDER_ASSETS or the PATH; None where there is none that is new enough."""
    for places in (os.environ.get(ASSETS), os.environ.get("PATH")):
        found = shutil.which(name, path=places) if places else None
        if found is not None and _version(found) >= MINIMUM_VERSIONS[name]:
            return Path(found)
    return None


def _version(program: str) -> tuple[int, ...]:
    try:
        done = subprocess.run(  # noqa: S603 - found on the user's PATH
            [program, "--version"], capture_output=True, text=True, check=False, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    found = re.search(r"(\d+)\.(\d+)", done.stdout + done.stderr)
    return (int(found[1]), int(found[2])) if found else ()


def main() -> None:
    """Build the missing programs. Without a Go compiler that is left to a later start, from the environment."""
    try:
        find_programs()
    except CompilerError:
        return
    except BuildError as error:
        sys.exit(f"localcluster: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
