"""The words of transactions: extracted in memory, on a cluster, or cached in a folder between trainings.

words      extracting words part by part, and merging parts
table      a part as a Parquet table
store      a folder of parts that is updated from its sources
"""
