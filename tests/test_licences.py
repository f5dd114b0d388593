"""Each locked package has its licence in requirements/licences.md, and images hold none that binds who passes it on."""

import importlib.util
import re
from email.message import Message
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOADER = importlib.util.spec_from_file_location("licences", ROOT / "requirements" / "licences.py")
licences = importlib.util.module_from_spec(LOADER)
LOADER.loader.exec_module(licences)
LISTED = licences.listed((ROOT / "requirements" / "licences.md").read_text())
LOCKED, INSTALLED = licences.locked(), licences.installed()


def test_every_locked_package_has_a_row_and_no_other():
    assert set(LISTED) == set(LOCKED), "run `make licences`"
    assert len(LOCKED) > 150


@pytest.mark.parametrize("name", LOCKED)
def test_a_row_has_the_licence_that_the_package_names(name):
    assert LISTED[name].strip()
    named = INSTALLED.get(name)
    assert named in (None, LISTED[name]), "run `make licences`"


@pytest.mark.parametrize("name", [name for name, locks in LOCKED.items() if set(locks) & set(licences.IN_IMAGES)])
def test_what_an_image_holds_may_be_passed_on(name):
    choices = [set(re.split(r" AND ", choice)) for choice in LISTED[name].split(" OR ")]
    assert any(choice <= licences.ALLOWED_IN_IMAGES for choice in choices), LISTED[name]


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ([("License-Expression", "MIT"), ("Classifier", "License :: OSI Approved :: BSD License")], "MIT"),
        ([("Classifier", "License :: OSI Approved :: BSD License"), ("License", "text")], "BSD"),
        ([("Classifier", "License :: DFSG approved"), ("Classifier", "License :: OSI Approved :: MIT License")], "MIT"),
        ([("License", "MIT License\n\nCopyright")], "MIT"),
        ([("License", "")], ""),
        ([], ""),
    ],
)
def test_a_licence_is_read_from_the_metadata(fields, found):
    metadata = Message()
    for name, value in fields:
        metadata[name] = value
    assert licences.licence(metadata) == found
