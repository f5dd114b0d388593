"""Writing runs to registries; serin_registry reads them.

writer         what every registry can do, and how one is opened by its address
directory      a registry in a directory
object_store   a registry in an object store
publish        a trained run to a registry
files          the files of a run
keys           keys that sign runs
"""
