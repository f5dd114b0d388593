"""What a registry on a disk makes of a run: a refusal, which is final, or a wait for the registry or for the run."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from server.fakes import CANDIDATE

from serin_core.contract.documents import LoadedRun
from serin_core.model.manifest import MANIFEST, RUNS_DIRECTORY
from serin_core.model.signing import SIGNATURE
from serin_registry.errors import NotInRegistryError, RegistryUnavailableError, RunRefusedError
from serin_server.runs.loader import RegistryReader

WANTED = LoadedRun(run=CANDIDATE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The run's own directory, in a registry that is there."""
    made = tmp_path / "registry" / RUNS_DIRECTORY / CANDIDATE
    made.mkdir(parents=True)
    return made


def test_a_registry_that_is_not_there_is_away(tmp_path: Path) -> None:
    with pytest.raises(RegistryUnavailableError, match=r"^the registry .*/registry does not exist$"):
        RegistryReader(str(tmp_path / "registry"))(WANTED)


def test_a_run_that_is_missing_in_a_registry_that_is_there_is_absent(folder: Path) -> None:
    folder.rmdir()
    with pytest.raises(NotInRegistryError, match=f"^{CANDIDATE} is not in the registry "):
        RegistryReader(str(folder.parents[1]))(WANTED)


def test_a_run_whose_manifest_is_missing_is_not_complete(folder: Path) -> None:
    with pytest.raises(
        NotInRegistryError, match=f"^{CANDIDATE} is not complete .*: {MANIFEST}: there is no such file$"
    ):
        RegistryReader(str(folder.parents[1]))(WANTED)


def test_a_file_that_cannot_be_read_is_a_registry_that_is_away(folder: Path) -> None:
    # Reading a directory fails with an error that is not "no such file", also for root.
    (folder / MANIFEST).mkdir()
    with pytest.raises(RegistryUnavailableError, match=r"Is a directory$"):
        RegistryReader(str(folder.parents[1]))(WANTED)


def test_a_run_that_cannot_be_looked_at_is_a_registry_that_is_away(folder: Path) -> None:
    folder.rmdir()
    folder.symlink_to(folder)
    with pytest.raises(RegistryUnavailableError, match=r"Too many levels of symbolic links$"):
        RegistryReader(str(folder.parents[1]))(WANTED)


@pytest.fixture
def signed(folder: Path) -> tuple[Path, str]:
    """A run with a manifest and its signature, and the public key."""
    key = Ed25519PrivateKey.generate()
    manifest = b'{"run": "r"}'
    (folder / MANIFEST).write_bytes(manifest)
    (folder / SIGNATURE).write_bytes(key.sign(manifest))
    return folder, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def refusal(folder: Path, public_key: str) -> str:
    with pytest.raises(RunRefusedError) as caught:
        RegistryReader(str(folder.parents[1]), public_key=public_key)(WANTED)
    return str(caught.value)


def test_a_run_that_is_not_signed_or_by_somebody_else_is_refused_where_signatures_are_asked_for(
    signed: tuple[Path, str],
) -> None:
    folder, public_key = signed
    assert not refusal(folder, public_key).startswith(SIGNATURE), "the signature is right, the manifest is not"
    (folder / MANIFEST).write_bytes(b'{"run": "s"}')
    assert refusal(folder, public_key) == f"{SIGNATURE}: it is not the signature of this manifest by the public key"
    (folder / SIGNATURE).unlink()
    assert refusal(folder, public_key) == f"{SIGNATURE}: the run is not signed, and a signature is required"
    assert not refusal(folder, "").startswith(SIGNATURE)
