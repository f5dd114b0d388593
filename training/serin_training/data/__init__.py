"""Reading labelled transactions, chunk by chunk, from files and databases.

rows       what a labelled transaction is, which ones count, and which of several labels counts
checking   one record of a source against the schema
file       what all files have in common
csv_file   parquet_file   database     the sources
reading    all of them as one
"""
