"""Garbage collections of the operator's process, in a process of its own: they are settings of the whole process."""

import json
import subprocess
import sys

PROGRAM = """
import gc, json
from serin_operator.main import collect_garbage_seldom

def collections():
    return [one["collections"] for one in gc.get_stats()]

modules = len(gc.get_objects())
collect_garbage_seldom()
left, before = len(gc.get_objects()), collections()
kept = [[] for _ in range(9_000)]
none = [after - first for after, first in zip(collections(), before)]
kept = [[] for _ in range(1_000_000)]
some = [after - first for after, first in zip(collections(), before)]
print(json.dumps([modules, left, none, some]))
"""


def test_a_check_leads_to_no_collection_and_none_looks_at_what_the_modules_have_made():
    found = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    modules, left, none, some = json.loads(found.stdout)
    assert modules > 50_000
    assert left < 1_000
    assert none == [0, 0, 0]
    assert some[0] > 10
    assert some[1] > 0, "what is kept is looked at now and then"
