"""A node that runs the containers of its pods as processes of this machine.

docs/localcluster.md lists what is real and what is simulated.
"""

from pathlib import Path

from serin_localcluster.controlplane import Credentials
from serin_localcluster.node.agent import Node
from serin_localcluster.node.api import Api
from serin_localcluster.node.logs import serve
from serin_localcluster.node.pod import NodeSettings


async def run_node(kubeconfig: Path, settings: NodeSettings, credentials: Credentials) -> None:
    """Run the node `local` until cancelled, then end every process of every pod."""
    api = Api(kubeconfig)
    try:
        node = Node(api, settings)
        await node.register()
        server = await serve(node, host=settings.host_address, credentials=credentials)
        try:
            await node.run()
        finally:
            await server.cleanup()
    finally:
        await api.close()
