"""What the operator has decided: the routing document and the pod's annotations, watched and applied."""
