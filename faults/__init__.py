"""Fault injection: a storm of faults on real processes, a recorded history, and an independent checker.

`python -m faults storm` runs a storm and checks it, `python -m faults check FILE` checks a recorded history, and
`python -m faults report FOLDER` writes docs/reliability.md. `faults/checker` imports nothing of Serin.
"""
