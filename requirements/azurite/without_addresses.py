"""Remove funding and licences from package-lock.json: npm writes addresses there, and a lock names none."""

import json
from pathlib import Path

LOCK = Path(__file__).parent / "package-lock.json"
found = json.loads(LOCK.read_text(encoding="utf-8"))
for package in found["packages"].values():
    for key in ("funding", "license"):
        package.pop(key, None)
LOCK.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
