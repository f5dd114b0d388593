"""A checkpoint that stays small, however many series there are: what is largest is summed up.

Status holds the checkpoint, and the API server refuses a status that is too large, with everything in it. So the
largest parts give up what makes counts exact to the sample in rare cases (docs/decisions/0109), never the counts.
"""

import json
import zlib
from collections.abc import Mapping
from typing import Final

from serin_core.api.gate_names import GateName
from serin_core.api.gate_status import Checkpoint, OwnCounts, ProcessCounts

MAX_BYTES: Final = 96 * 1024
"""Length of a checkpoint, compressed; as text in status it is a third longer."""
_SMALL: Final = 1500
"""Entries that are never too long."""
_CLASSES: Final = f"{GateName.PER_CLASS.value}/"
ByKey = Mapping[str, Mapping[str, ProcessCounts]]


def fitted(checkpoint: Checkpoint, *, running: frozenset[str], ended: str) -> Checkpoint:
    """Return the checkpoint with its largest parts summed up until it has at most MAX_BYTES.

    `running`: processes that run and that the next check reads again; `ended`: the key for the sum of all others.
    """
    if _entries(checkpoint) <= _SMALL:
        return checkpoint
    own, classes, others = dict(checkpoint.own), _of_classes(checkpoint.counts), _of_others(checkpoint.counts)
    sizes = {key: _size({key: counts.model_dump()}) for key, counts in own.items()}
    if (of_classes := _size(_plain(classes))) > MAX_BYTES // 2:
        classes = _without(classes, running)
        of_classes = _size(_plain(classes))
        if of_classes > MAX_BYTES // 2:
            classes, of_classes = _only(classes, ended), 0
    left = MAX_BYTES - _size(_plain(others)) - of_classes
    for key in sorted(sizes, key=sizes.__getitem__, reverse=True):
        if sum(sizes.values()) <= left:
            break
        own[key] = own[key].summed_up()
        sizes[key] = 0
    return checkpoint.model_copy(update={"own": own, "counts": {**others, **classes}})


def smallest(checkpoint: Checkpoint, *, ended: str) -> Checkpoint:
    """Return the checkpoint with everything summed up that can be."""
    own: dict[str, OwnCounts] = {key: counts.summed_up() for key, counts in checkpoint.own.items()}
    classes = _only(_of_classes(checkpoint.counts), ended)
    return checkpoint.model_copy(update={"own": own, "counts": {**_of_others(checkpoint.counts), **classes}})


def _entries(checkpoint: Checkpoint) -> int:
    series = sum(len(counts.good) + len(counts.total) for counts in checkpoint.own.values())
    return series + sum(map(len, checkpoint.counts.values()))


def _of_classes(counts: ByKey) -> ByKey:
    return {key: of for key, of in counts.items() if key.startswith(_CLASSES)}


def _of_others(counts: ByKey) -> ByKey:
    return {key: of for key, of in counts.items() if not key.startswith(_CLASSES)}


def _without(counts: ByKey, processes: frozenset[str]) -> ByKey:
    return {key: {one: of[one] for one in of if one not in processes} for key, of in counts.items()}


def _only(counts: ByKey, process: str) -> ByKey:
    return {key: {process: of[process]} if process in of else {} for key, of in counts.items()}


def _plain(counts: ByKey) -> object:
    return {key: {one: (found.good, found.total) for one, found in of.items()} for key, of in counts.items()}


def _size(found: object) -> int:
    return len(zlib.compress(json.dumps(found).encode(), 1))
