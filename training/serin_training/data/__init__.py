"""Reading labelled transactions, chunk by chunk, from files and databases.

rows         labelled transactions, and which of several labels counts
validation   the records of a source against the schema
files        database       the sources
reading      all sources as one
"""
