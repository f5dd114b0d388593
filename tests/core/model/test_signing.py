"""Verification of signed manifests."""

import subprocess
import sys

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from serin_core.model import signing
from serin_core.model.signing import SignatureError

KEY, OTHER = (Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in (1, 2))
MANIFEST = b'{"run": "run_00000001_1"}\n'


def pem(key):
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def test_what_a_key_signed_is_verified_by_its_public_half():
    signing.verify(MANIFEST, KEY.sign(MANIFEST), pem(KEY))


def test_while_a_key_is_replaced_runs_of_both_are_verified():
    both = pem(OTHER) + b"# the old one:\n" + pem(KEY)
    signing.verify(MANIFEST, KEY.sign(MANIFEST), both)
    signing.verify(MANIFEST, OTHER.sign(MANIFEST), both)


@given(place=st.integers(0, len(MANIFEST) + 63), bit=st.integers(0, 7))
def test_a_single_bit_changed_in_manifest_or_signature_is_found(place, bit):
    changed = bytearray(MANIFEST + KEY.sign(MANIFEST))
    changed[place] ^= 1 << bit
    with pytest.raises(SignatureError, match=r"manifest\.sig"):
        signing.verify(bytes(changed[: len(MANIFEST)]), bytes(changed[len(MANIFEST) :]), pem(KEY))


@pytest.mark.parametrize("signature", [b"", b"short", bytes(64), bytes(65)], ids=["empty", "short", "zeros", "long"])
def test_what_is_no_signature_is_refused(signature):
    with pytest.raises(SignatureError, match="not the signature of this manifest"):
        signing.verify(MANIFEST, signature, pem(KEY))


def test_another_key_did_not_sign_it():
    with pytest.raises(SignatureError, match="not the signature of this manifest"):
        signing.verify(MANIFEST, KEY.sign(MANIFEST), pem(OTHER))


@pytest.mark.parametrize(
    "key",
    [
        b"",
        b"ssh-ed25519 AAAA somebody",
        b"-----BEGIN PUBLIC KEY-----\nbm90IGEga2V5\n-----END PUBLIC KEY-----\n",
        pem(generate_private_key(SECP256R1())),
        pem(KEY) + pem(generate_private_key(SECP256R1())),
        pem(KEY)[:60],
    ],
    ids=["empty", "ssh", "nonsense", "another kind", "one of another kind", "cut off"],
)
def test_an_invalid_key_is_an_error_before_there_is_a_run(key):
    with pytest.raises(SignatureError, match=r"is not an Ed25519 key in PEM; `serin runs keygen`") as caught:
        signing.check_public_key(key)
    assert "\n" not in str(caught.value)
    with pytest.raises(SignatureError):
        signing.verify(MANIFEST, KEY.sign(MANIFEST), key)


def test_importing_it_needs_no_cryptography():
    seen = "import serin_core.model.signing, sys; sys.exit('cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", seen], check=False).returncode == 0


def test_without_the_package_nothing_counts_as_verified():
    without = (
        "import sys; sys.modules['cryptography'] = None\n"
        "from serin_core.model import signing\n"
        "try: signing.check_public_key(b'')\n"
        "except signing.SignatureError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", without], check=True, capture_output=True, text=True)
    assert done.stdout == "signatures cannot be checked: the package cryptography is not installed\n"
