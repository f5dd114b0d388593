"""The words of transactions, looked up once: in memory, on a cluster, or kept in a folder between trainings.

words      what is looked up, part by part, and parts put together
table      a part as a Parquet table
store      a folder of parts that follows its sources
"""
