"""Reading labelled transactions, chunk by chunk, from files and databases.

rows         labelled transactions, and which of several labels counts
validation   one record of a source against the schema
file         what all files have in common
csv_file     parquet_file   database     the sources
reading      all sources as one
"""
