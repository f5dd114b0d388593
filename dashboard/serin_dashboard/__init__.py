"""`kubectl serin dashboard`: rollouts as pages of a local web server, with the rights of the user's kubeconfig."""
