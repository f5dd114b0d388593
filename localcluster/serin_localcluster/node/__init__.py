"""A node that runs the containers of its pods as processes of this machine.

docs/localcluster.md lists what is real and what is simulated.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from serin_localcluster.node.agent import Node
from serin_localcluster.node.api import Api
from serin_localcluster.node.logs import serve
from serin_localcluster.node.pod import NodeSettings


async def run_node(  # noqa: PLR0913 - the settings of one node, all by keyword
    *,
    kubeconfig: Path,
    directory: Path,
    images: Mapping[str, Sequence[str]],
    subnet: str,
    environment: Mapping[str, str],
    sync_seconds: float,
    restart_backoff_seconds: float,
    kubelet_cert: Path,
    kubelet_key: Path,
    client_ca: Path,
) -> None:
    """Run the node `local` until cancelled, then end every process of every pod."""
    settings = NodeSettings(
        directory=directory,
        images=images,
        environment=environment,
        sync_seconds=sync_seconds,
        backoff_seconds=restart_backoff_seconds,
        host_address=f"{subnet}.1",
    )
    api = Api(kubeconfig)
    try:
        node = Node(api, settings, subnet)
        await node.register()
        server = await serve(
            node, host=settings.host_address, certificate=kubelet_cert, key=kubelet_key, client_ca=client_ca
        )
        try:
            await node.run()
        finally:
            await server.cleanup()
    finally:
        await api.close()
