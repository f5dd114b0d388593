"""The learning side's commands of the one program `serin`.

Results go to stdout, progress and complaints to stderr. Exit status 0 done (also when the acceptance gate holds a run
back: that is an answer), 1 it failed, 2 wrong usage or data that cannot be used.
"""
