"""Where the heavy parts of training run: three tasks with the same result everywhere.

local           this machine; its class is the interface
dask_cluster    the workers of a Dask cluster
"""
