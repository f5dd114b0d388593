"""One real Kubernetes node in namespaces of its own: kubelet, containerd and runc, for tests with the real images.

Ending the one process that holds the namespaces ends everything: no process, mount, network rule or cgroup is left.
"""
