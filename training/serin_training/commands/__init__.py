"""The training commands of the program `serin`.

Results go to stdout; progress, notes and errors to stderr. Exit status: 0 done (also when the acceptance gate holds a
run back, or nothing had to be done), 1 failed, 2 wrong usage or unusable data.

Modules here import at the top only what `--help` needs; commands import the rest when they run.
"""
