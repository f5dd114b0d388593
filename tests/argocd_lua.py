"""The Lua scripts of manifests/argocd in a real Lua, with the libraries that Argo CD has: base, table, a part of os.

Argo CD has the os library by `require` only, and no string library.
"""

import re
from pathlib import Path

import yaml
from lupa.lua51 import LuaError, LuaRuntime

from serin_core.contract.names import API_VERSION, KIND

FOLDER = Path(__file__).parents[1] / "manifests" / "argocd"
HEALTH = (FOLDER / "health.lua").read_text(encoding="utf-8")
ACTIONS = yaml.safe_load((FOLDER / "actions.yaml").read_text(encoding="utf-8"))
SCRIPTS = {one["name"]: one["action.lua"] for one in ACTIONS["definitions"]}
_SANDBOX = """
local modules = { os = { date = os.date, time = os.time } }
os, io, debug, package, string, math, coroutine, python = nil, nil, nil, nil, nil, nil, nil, nil
require = function(name) return modules[name] or error("module " .. name .. " not found") end
"""


def resource(status, *, generation=1, annotations=None, spec=None):
    """Return a SuggestionModel as Argo CD has it."""
    metadata = {"name": "categories", "namespace": "transactions", "generation": generation}
    metadata |= {} if annotations is None else {"annotations": annotations}
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec or {}} | (
        {} if status is None else {"status": status}
    )


def health(live):
    """Return status and message."""
    return run(HEALTH, live)


def discover(live):
    """Return the actions by name, each with disabled, iconClass and displayName."""
    return run(ACTIONS["discovery.lua"], live)


def act(live, action):
    """Return the object as an action changes it. Raises LuaError, whose message Argo CD shows."""
    return run(SCRIPTS[action], live)


def run(script, live):
    lua = LuaRuntime(unpack_returned_tuples=True)
    lua.execute(_SANDBOX)
    lua.globals().obj = _to_lua(lua, live)
    return _from_lua(lua.execute(script))


def _to_lua(lua, value):
    if isinstance(value, dict):
        return lua.table_from({key: _to_lua(lua, item) for key, item in value.items()})
    if isinstance(value, list):
        return lua.table_from([_to_lua(lua, item) for item in value])
    # Argo CD has one kind of number, which it prints without a fraction if it has none.
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _from_lua(value):
    if not hasattr(value, "items"):
        return value
    found = {key: _from_lua(item) for key, item in value.items()}
    if found and all(isinstance(key, int) for key in found):
        return list(found.values())
    return found


def error_of(live, action):
    """Return the message with which an action fails, "" if it does not."""
    try:
        act(live, action)
    except LuaError as error:
        return re.sub(r"\nstack traceback:.*", "", str(error), flags=re.DOTALL)
    return ""
