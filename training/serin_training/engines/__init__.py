"""Where the heavy parts of a training run.

engine          what is asked of one
local           this machine
dask_cluster    the workers of a Dask cluster
"""
