"""Gates of a rollout.

active      which gates are evaluated in a stage, with the settings of the resource
evaluation  all gates of a stage at one check
rate        state of a gate on one rate, late harm included
per_class   state of the perClass gate
compared    state of a gate that compares the canary with the control group
result      a gate as it is shown in the status
messages    gates in plain text
queries     query gates: checked like alert rules
query_messages  query gates in plain text
formatting  numbers in messages

What each built-in gate counts is in contract/gate_catalog.py.
"""
