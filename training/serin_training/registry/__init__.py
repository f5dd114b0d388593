"""Writing runs to registries; serin_registry reads them.

writer         what every registry can do, and how one is opened by its address
directory      a registry in a directory
object_store   a registry in an object store
publish        the files of a trained run, and their publication
keys           keys that sign runs
"""
