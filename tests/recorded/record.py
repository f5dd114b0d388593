"""Record what a version of the operator has written, for the versions after it: tests/models/test_earlier_versions.py.

    git archive COMMIT core tests/models | tar x -C DIRECTORY
    python -P tests/recorded/record.py DIRECTORY > tests/recorded/WHEN.json

The protocol model of that version runs two rollouts. For each of five moments the file has the spec's run, the time,
the status and the children, as they were in the API server.
"""

import json
import sys

CHILDREN = {"ConfigMap", "Deployment"}
"""Kinds that a later version reads back; it renders all others again."""


def main(directory):
    sys.path[:0] = [f"{directory}/core", f"{directory}/tests"]
    from models.starting import B, has_percent, has_phase, new_world  # noqa: PLC0415

    world, found = new_world(), []

    def record(name, until):
        world.settle(rounds=400, until=until)
        assert until(world), f"{name}: {world.status.phase}"
        found.append(moment(world, name))

    record("shadow", has_percent(0))
    record("canary", has_percent(10))
    record("promoted", has_phase("Promoted"))
    world.edit(world.spec.model_copy(update={"run_id": B}))
    record("second canary", has_percent(50))
    world.verdict = "fail"
    record("rolled back", has_phase("RolledBack"))
    json.dump(found, sys.stdout, indent=0, sort_keys=True)


def moment(world, name):
    from serin_core.api.status_view import condensed  # noqa: PLC0415

    view = condensed(world.status)
    return {
        "name": name,
        "now": world.now.isoformat(),
        "uid": world.uid,
        "run": world.spec.run_id,
        "status": {key: view[key] for key in ("phase", "observedGeneration", "conditions", "operatorState")},
        "children": [child for child in world.children.values() if child["kind"] in CHILDREN],
    }


if __name__ == "__main__":
    main(sys.argv[1])
