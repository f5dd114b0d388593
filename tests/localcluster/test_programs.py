"""Which programs of a local cluster are taken from the machine, and which are built. Nothing is compiled here."""

import os
import sys
from pathlib import Path

import pytest

from serin_localcluster import build
from serin_localcluster.programs import find_installed, find_programs

# Takes the place of Go: lists one package, "compiles" it, and leaves what a build leaves behind.
GO = """#!/bin/sh
case "$1" in
  env) echo go99.0 ;;
  list) printf 'example.com/a\\t.\\n' ;;
  build)
    mkdir -p "$GOCACHE" "$GOMODCACHE"
    while [ "$1" != -o ]; do case "$1" in *-modcacherw*) writable=yes ;; esac; shift; done
    out=$2; mkdir -p "$out"; shift 2
    [ "$writable" = yes ] && [ ! -e "$FAIL" ] || { echo "a.go:1: no such thing"; exit 1; }
    for package in "$@"; do echo "$package" >> "$BUILT"; echo program > "$out/${package##*/}"; done ;;
esac
"""


def install(program, text):
    program.parent.mkdir(exist_ok=True)
    program.write_text(text)
    program.chmod(0o755)
    return program


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with no program but this Go, and an empty cache."""
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("BUILT", str(tmp_path / "built"))
    monkeypatch.setenv("FAIL", str(tmp_path / "fail"))
    install(tmp_path / "bin" / "go", GO)
    return tmp_path


def built(machine):
    found = machine / "built"
    return found.read_text().split() if found.exists() else []


def test_what_envtest_installs_is_used_before_the_path(machine, monkeypatch):
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(machine / "assets"))
    on_path = install(machine / "bin" / "etcd", "#!/bin/sh\necho etcd Version: 3.6.1\n")
    assert find_installed("etcd") == on_path
    asset = install(machine / "assets" / "etcd", "#!/bin/sh\necho etcd Version: 3.7.0\n")
    assert find_installed("etcd") == asset
    assert find_installed("kube-apiserver") is None


@pytest.mark.parametrize("script", ["echo Kubernetes v1.29.9", "exit 1", "echo no number"])
def test_a_program_that_is_too_old_or_unknown_is_not_used(machine, script):
    install(machine / "bin" / "kube-apiserver", f"#!/bin/sh\n{script}\n")
    assert find_installed("kube-apiserver") is None


def test_where_all_programs_are_installed_nothing_is_built(machine):
    names = ("etcd", "kube-apiserver", "kube-controller-manager", "prometheus")
    programs = {name: install(machine / "bin" / name, "#!/bin/sh\necho version 99.0\n") for name in names}
    assert find_programs() == {name: [str(program)] for name, program in programs.items()}
    assert built(machine) == []
    assert not (machine / "cache").exists()


def test_only_what_is_missing_is_built_and_only_once(machine):
    for name in ("etcd", "prometheus"):
        install(machine / "bin" / name, "#!/bin/sh\necho version 99.0\n")
    found = find_programs()
    assert find_programs() == found
    assert built(machine) == ["./controlplane"]
    assert [command[1:] for command in found.values()] == [[], [], ["kube-apiserver"], ["kube-controller-manager"]]
    (binary,) = build.binaries(["kube-apiserver", "kube-controller-manager"])
    assert "with_etcd" not in binary.tags
    assert found["kube-apiserver"][0] == str(binary.path)


def test_a_build_leaves_only_the_finished_programs(machine):
    cache = machine / "cache" / "serin"
    for name in ("prometheus-0123456789abcdef", "prometheus-used"):
        (cache / name).mkdir(parents=True)
    os.utime(cache / "prometheus-0123456789abcdef", (0, 0))
    assert Path(build.build(["prometheus"])["prometheus"][0]).read_text() == "program\n"
    (binary,) = build.binaries(["prometheus"])
    assert sorted(entry.name for entry in cache.iterdir()) == sorted(
        ["lock", "prometheus-used", binary.path.parent.name]
    )


def test_a_failed_build_shows_what_go_printed_and_keeps_the_caches(machine, capsys):
    (machine / "fail").touch()
    with pytest.raises(build.BuildError, match=r"building prometheus failed:\na.go:1: no such thing"):
        build.build(["prometheus"])
    assert (machine / "cache" / "serin" / "go-mod").exists()


def test_go_is_needed_only_for_a_build(machine, monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr(sys, "executable", str(machine / "nowhere" / "python"))
    with pytest.raises(build.BuildError, match=r"Go [0-9.]+ or newer is needed"):
        build.build(["prometheus"])


def test_programs_of_a_real_node_are_built_with_the_others_and_serve_as_those(machine):
    node = build.build(build.NODE)
    assert built(machine).count("./controlplane") == 1
    assert len({command[0] for command in node.values()}) == len(build.NODE) - len(build.KUBERNETES_NODE) + 1
    assert build.build(build.CONTROL_PLANE) == {name: node[name] for name in build.CONTROL_PLANE}
    assert built(machine).count("./controlplane") == 1, "the node's program has the control plane's parts"


def test_only_a_program_that_needs_c_is_built_with_c(machine):
    build.build(["ctr", "runc"])
    assert built(machine) == [build.binaries([name])[0].package for name in ("ctr", "runc")]
    assert [build.binaries([name])[0].cgo for name in ("ctr", "runc")] == ["0", "1"]
