"""Commands of the program `serin` for the server: `serin serve` and `serin data erase`.

Heavy modules are imported inside the commands, so that other commands of the program start quickly.
"""
