"""Remove funding and licences from each package-lock.json: npm writes addresses there, and a lock names none."""

import json
from pathlib import Path

for lock in Path(__file__).parent.glob("*/package-lock.json"):
    found = json.loads(lock.read_text(encoding="utf-8"))
    for package in found["packages"].values():
        for key in ("funding", "license"):
            package.pop(key, None)
    lock.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
