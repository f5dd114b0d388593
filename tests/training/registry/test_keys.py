"""Keys that sign runs: made once, never overwritten; and a run is signed by them or told why not."""

import shutil
import stat
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from serin_core.model import manifest, signing
from serin_core.model.signing import SignatureError
from serin_training.errors import OptionError
from serin_training.registry.directory import DirectoryRegistry
from serin_training.registry.keys import (
    SIGNING_KEY,
    generate_keys,
    read_public_key,
    read_signing_key,
    signing_key_of_environment,
)

RUN, FILES = "run_00000001_1", {"meta.json": b"{}"}


@pytest.fixture
def keys(tmp_path):
    return generate_keys(tmp_path / "keys")


def test_the_private_key_is_its_owners_alone_and_the_public_one_checks_what_it_signs(keys):
    private, public = keys
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert private.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")
    signing.verify(b"manifest", read_signing_key(private)(b"manifest"), read_public_key(public))


@pytest.mark.parametrize("there", ["signing.key", "signing.pub"])
def test_a_key_is_never_overwritten_and_half_a_pair_never_left(tmp_path, there):
    (tmp_path / there).write_text("mine")
    with pytest.raises(OptionError, match=f"{there}: it exists; a key is never overwritten"):
        generate_keys(tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {there: "mine"}


def test_a_link_in_the_keys_place_is_not_followed(tmp_path):
    (tmp_path / "signing.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OptionError, match="never overwritten"):
        generate_keys(tmp_path)
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_is_none_is_told(tmp_path):
    (tmp_path / "file").write_text("in the way")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OptionError, match=r"file.*; no key was written"):
            generate_keys(folder)


def pem(key, encryption=None):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


@pytest.mark.parametrize("kind", ["nothing", "nonsense", "public", "another kind", "password"])
def test_what_cannot_sign_is_told_before_a_training(keys, tmp_path, monkeypatch, kind):
    private, public = keys
    file = tmp_path / "given"
    match kind:
        case "nonsense":
            file.write_text("nonsense")
        case "public":
            file.write_bytes(public.read_bytes())
        case "another kind":
            file.write_bytes(pem(generate_private_key(SECP256R1())))
        case "password":
            key = load_pem_private_key(private.read_bytes(), password=None)
            file.write_bytes(pem(key, BestAvailableEncryption(b"word")))
    monkeypatch.setenv(SIGNING_KEY, str(file))
    with pytest.raises(OptionError, match=f"^{SIGNING_KEY}: {file}: ") as caught:
        signing_key_of_environment()
    assert "\n" not in str(caught.value)


def test_the_environment_names_a_key_or_none(keys, monkeypatch):
    monkeypatch.delenv(SIGNING_KEY, raising=False)
    assert signing_key_of_environment() is None
    monkeypatch.setenv(SIGNING_KEY, " ")
    assert signing_key_of_environment() is None
    monkeypatch.setenv(SIGNING_KEY, str(keys[0]))
    assert signing_key_of_environment()(b"manifest") == read_signing_key(keys[0])(b"manifest")


def test_a_public_key_that_is_none_is_told(keys):
    with pytest.raises(OptionError, match=r"signing\.key: the public key is not an Ed25519 key in PEM"):
        read_public_key(keys[0])
    with pytest.raises(OptionError, match="No such file"):
        read_public_key(keys[0].with_name("none"))


def test_a_signature_cannot_be_moved_to_another_run(keys, tmp_path):
    registry = DirectoryRegistry(tmp_path / "registry", uri="here")
    sign = read_signing_key(keys[0])
    registry.publish(RUN, FILES, sign=sign)
    registry.publish("run_00000002_2", FILES)
    signature, public_key = registry.read(RUN, signing.SIGNATURE), keys[1].read_bytes()
    signing.verify(registry.read(RUN, manifest.MANIFEST), signature, public_key)
    with pytest.raises(SignatureError):
        signing.verify(registry.read("run_00000002_2", manifest.MANIFEST), signature, public_key)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl")
def test_openssl_finds_the_signature_good_too(keys, tmp_path):
    registry = DirectoryRegistry(tmp_path / "registry", uri="here")
    folder = registry.publish(RUN, FILES, sign=read_signing_key(keys[0]))
    done = subprocess.run(
        ["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", str(keys[1]),
         "-in", f"{folder}/{manifest.MANIFEST}", "-sigfile", f"{folder}/{signing.SIGNATURE}"],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
