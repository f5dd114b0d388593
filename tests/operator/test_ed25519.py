"""Signatures and keys are those of RFC 8032 and RFC 8410: of its test vectors, of cryptography and of OpenSSL."""

import os
import subprocess

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from serin_operator.ed25519 import KeyFormatError, SigningKey

# RFC 8032, section 7.1: secret key, public key, message, signature.
VECTORS = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]


@pytest.mark.parametrize(("seed", "public", "message", "signature"), VECTORS)
def test_vectors_of_the_rfc(seed, public, message, signature):
    key = SigningKey(bytes.fromhex(seed))
    assert key.public.hex() == public
    assert key.sign(bytes.fromhex(message)).hex() == signature


@settings(max_examples=30, deadline=None)
@given(seed=st.binary(min_size=32, max_size=32), content=st.binary(max_size=300))
def test_keys_and_signatures_are_those_of_cryptography(seed, content):
    mine, other = SigningKey(seed), Ed25519PrivateKey.from_private_bytes(seed)
    assert mine.sign(content) == other.sign(content)
    assert mine.pem.encode() == other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert mine.public_pem.encode() == public
    assert SigningKey.parse(mine.pem) == mine


def test_a_key_of_cryptography_is_read_and_another_content_is_not_signed():
    key = SigningKey(os.urandom(32))
    assert load_pem_private_key(key.pem.encode(), None).public_key().public_bytes_raw() == key.public
    verifier = load_pem_public_key(key.public_pem.encode())
    verifier.verify(key.sign(b"one"), b"one")
    with pytest.raises(InvalidSignature):
        verifier.verify(key.sign(b"one"), b"two")


def test_a_key_of_openssl_is_read(tmp_path):
    made = subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519"], capture_output=True, text=True, check=True)
    key = SigningKey.parse(made.stdout)
    (tmp_path / "key.pub").write_text(key.public_pem)
    (tmp_path / "text").write_bytes(b"content")
    (tmp_path / "signature").write_bytes(key.sign(b"content"))
    command = "openssl pkeyutl -verify -rawin -pubin -inkey key.pub -in text -sigfile signature"
    subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no key",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        "-----BEGIN PRIVATE KEY-----\n====\n-----END PRIVATE KEY-----\n",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
        SigningKey(bytes(32)).public_pem,
        SigningKey(bytes(32)).pem * 2,
        SigningKey(bytes(31)).pem,
    ],
)
def test_what_is_no_key_is_refused_with_the_command_that_makes_one(text):
    with pytest.raises(KeyFormatError, match="openssl genpkey -algorithm ed25519"):
        SigningKey.parse(text)


def test_a_key_is_not_printed():
    assert "seed" not in repr(SigningKey(bytes(32)))
