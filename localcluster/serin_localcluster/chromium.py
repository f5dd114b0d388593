"""Debian's headless Chromium for tests of pages: the one on the PATH, else its packages unpacked below the cache.

Nothing is installed, and no root is needed: apt reads the lists and fetches the packages into directories of its own.
"""

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from serin_localcluster.build import BuildError, cache

_COMMANDS: Final = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
_PACKAGES: Final = ("chromium-headless-shell", "fonts-dejavu-core")
_PROGRAM: Final = "usr/lib/chromium/chromium-headless-shell"
_LIBRARIES: Final = ("usr/lib/{0}", "usr/lib/{0}/pulseaudio", "lib/{0}")
_START: Final = """#!/bin/sh
# Starts Chromium with the libraries and fonts that were unpacked beside it.
export LD_LIBRARY_PATH="{libraries}" FONTCONFIG_FILE="{fonts}"
exec "{program}" "$@"
"""
_FONTS: Final = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{fonts}</dir><dir>/usr/share/fonts</dir><cachedir>{cache}</cachedir></fontconfig>
"""
_LONGEST: Final = 900
"""Seconds for one command of apt."""


def find_chromium() -> Path:
    """Return a program that starts Chromium, unpacking it if the PATH has none. Raises BuildError."""
    for name in _COMMANDS:
        if found := shutil.which(name):
            return Path(found)
    folder = cache() / "chromium"
    start = folder / "start"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not start.exists():
            _unpack(folder, start)
    return start


def _unpack(folder: Path, start: Path) -> None:
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise BuildError("there is no Chromium on the PATH, and no apt-get to fetch it: install chromium")
    work, root = folder / "work", folder / "root"
    shutil.rmtree(work, ignore_errors=True)
    shutil.rmtree(root, ignore_errors=True)
    packages = work / "packages"
    for directory in (work / "lists" / "partial", work / "cache" / "archives" / "partial", packages, root):
        directory.mkdir(parents=True)
    apt = ["apt-get", "-o", f"Dir::State::lists={work / 'lists'}", "-o", f"Dir::Cache={work / 'cache'}"]
    apt += ["-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User="]
    _run([*apt, "update"], work)
    # What an installation would add to this machine: the program, and the libraries that are missing.
    plan = _run([*apt, "install", "--simulate", "--no-install-recommends", *_PACKAGES], work)
    wanted = sorted({*re.findall(r"^Inst (\S+)", plan, re.MULTILINE), *_PACKAGES})
    _run([*apt, "download", *wanted], packages)
    for package in sorted(packages.glob("*.deb")):
        _run(["dpkg", "-x", str(package), str(root)], work)
    _write_start(folder, root, start)
    shutil.rmtree(work)


def _write_start(folder: Path, root: Path, start: Path) -> None:
    machine = f"{os.uname().machine}-linux-gnu"
    libraries = ":".join(str(root / path.format(machine)) for path in _LIBRARIES)
    fonts = folder / "fonts.conf"
    fonts.write_text(_FONTS.format(fonts=root / "usr/share/fonts", cache=folder / "fonts"), encoding="utf-8")
    text = _START.format(libraries=libraries, fonts=fonts, program=root / _PROGRAM)
    unfinished = start.with_suffix(".new")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.chmod(0o755)
    version = _run([str(unfinished), "--version"], folder)
    if "Chromium" not in version:
        raise BuildError(f"the unpacked Chromium does not start: {version.strip()}")
    unfinished.rename(start)


def _run(command: Sequence[str], directory: Path) -> str:
    """Return what a command prints. Raises BuildError with the last lines of its errors."""
    try:
        found = subprocess.run(  # noqa: S603 - commands of this module
            command, cwd=directory, capture_output=True, text=True, timeout=_LONGEST, check=False
        )
    except subprocess.TimeoutExpired:
        raise BuildError(f"{' '.join(command[:1])} took longer than {_LONGEST} s") from None
    if found.returncode:
        last = "\n".join(found.stderr.strip().splitlines()[-3:])
        raise BuildError(f"{command[0]} failed while Chromium was fetched: {last}; or install chromium yourself")
    return found.stdout
