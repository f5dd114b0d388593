"""Private keys and what they sign: the test vectors of RFC 8032, keys of OpenSSL, and verification by `signing`."""

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

from serin_core.model.signing import is_signed
from serin_core.model.signing_keys import KeyFormatError, SigningKey

KEY = SigningKey(bytes(32))

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


def public_bytes(key):
    return load_pem_private_key(key.pem.encode(), None).public_key().public_bytes_raw()


@pytest.mark.parametrize(("seed", "public", "message", "signature"), VECTORS)
def test_vectors_of_the_rfc(seed, public, message, signature):
    key = SigningKey(bytes.fromhex(seed))
    assert public_bytes(key).hex() == public
    assert key.sign(bytes.fromhex(message)).hex() == signature


def test_what_a_key_signed_is_verified_by_its_public_half_and_nothing_else_is():
    one, two = SigningKey.generate(), SigningKey.generate()
    assert is_signed(b"content", one.sign(b"content"), one.public_pem.encode())
    assert not is_signed(b"other", one.sign(b"content"), one.public_pem.encode())
    assert not is_signed(b"content", one.sign(b"content"), two.public_pem.encode())


def test_a_key_in_pem_is_read_again():
    key = SigningKey.generate()
    assert SigningKey.parse(key.pem) == key != SigningKey.generate()


def test_a_key_of_openssl_is_read(tmp_path):
    made = subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519"], capture_output=True, text=True, check=True)
    key = SigningKey.parse(made.stdout)
    (tmp_path / "key.pub").write_text(key.public_pem)
    (tmp_path / "text").write_bytes(b"content")
    (tmp_path / "signature").write_bytes(key.sign(b"content"))
    command = "openssl pkeyutl -verify -rawin -pubin -inkey key.pub -in text -sigfile signature"
    subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)


def other_kind():
    key = generate_private_key(SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def with_a_password():
    key = load_pem_private_key(KEY.pem.encode(), None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word")).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no key",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        "-----BEGIN PRIVATE KEY-----\n====\n-----END PRIVATE KEY-----\n",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
        KEY.public_pem,
        KEY.pem * 2,
        KEY.pem[:60],
        other_kind(),
        with_a_password(),
    ],
    ids=["empty", "words", "nonsense", "padding", "encrypted nonsense", "public", "two", "cut off", "kind", "password"],
)
def test_what_is_no_key_is_refused_with_the_command_that_makes_one(text):
    with pytest.raises(KeyFormatError, match="openssl genpkey -algorithm ed25519"):
        SigningKey.parse(text)


def test_a_key_is_not_printed():
    assert "seed" not in repr(KEY)
    assert str(KEY.seed) not in repr(KEY)
