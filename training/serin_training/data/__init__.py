"""Reading labelled transactions, chunk by chunk, from files and databases.

rows         labelled transactions, and which of several labels counts
validation   the records of a source against the schema
presets      maps for the exports of banks and budgeting tools
files        database       statements      the sources
reading      all sources as one
"""
