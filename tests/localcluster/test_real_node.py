"""The parts of a real node that need no root: addresses, refusals, the image of one program."""

import json
import tarfile

import pytest

from serin_localcluster.realnode import configuration
from serin_localcluster.realnode.configuration import NETWORKS
from serin_localcluster.realnode.images import write_image
from serin_localcluster.realnode.machine import MachineError, prepare_machine
from serin_localcluster.realnode.node import running_node, stop_node


def test_without_root_nothing_is_tried():
    with pytest.raises(MachineError, match="needs root"):
        prepare_machine(user=1000)


@pytest.mark.parametrize(
    ("family", "server", "services"),
    [
        ("ipv4", "https://10.88.0.1:6443", ("10.96.0.1",)),
        ("ipv6", "https://[fd88::1]:6443", ("fd96::1",)),
        ("dual", "https://10.88.0.1:6443", ("10.96.0.1", "fd96::1")),
    ],
)
def test_addresses_follow_from_the_family(family, server, services):
    network = NETWORKS[family]
    assert (network.server, network.kubernetes_service) == (server, services)
    ipam = configuration.cni(network)["plugins"][0]["ipam"]
    assert len(ipam["ranges"]) == len(ipam["routes"]) == len(services)


@pytest.mark.parametrize("family", NETWORKS)
def test_prometheus_has_an_endpoint_of_every_family(family):
    slices = [one for one in configuration.monitoring(NETWORKS[family]) if one["kind"] == "EndpointSlice"]
    found = {one["addressType"]: one["endpoints"][0]["addresses"] for one in slices}
    assert found == {"IPv6" if ":" in address else "IPv4": [address] for address in NETWORKS[family].node}


def test_an_image_has_one_program_as_its_entry_point(tmp_path):
    program = tmp_path / "quiet"
    program.write_bytes(b"a program")
    write_image(tmp_path / "image.tar", "localhost/quiet:1", program)
    with tarfile.open(tmp_path / "image.tar") as image:
        (entry,) = json.load(image.extractfile("manifest.json"))
        config = json.load(image.extractfile(entry["Config"]))
        with tarfile.open(fileobj=image.extractfile(entry["Layers"][0])) as layer:
            assert layer.extractfile("quiet").read() == b"a program"
            assert layer.getmember("quiet").mode == 0o755
    assert (entry["RepoTags"], config["config"]["Entrypoint"]) == (["localhost/quiet:1"], ["/quiet"])


def test_a_node_whose_process_id_was_reused_is_not_stopped(tmp_path):
    (tmp_path / "keeper.json").write_text(json.dumps({"pid": 1, "start_time": -1, "family": "ipv4"}))
    assert running_node(tmp_path) is None
    assert not stop_node(tmp_path)
