"""Where the heavy parts of training run.

engine          the interface
local           this machine
dask_cluster    the workers of a Dask cluster
"""
