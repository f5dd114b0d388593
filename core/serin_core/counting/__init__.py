"""From Prometheus series to the two counts of each gate, exactly.

stage_query      the query for the series of one stage
server_counters  series of Serin's servers: one process, one stage, never reset; a count is a sum of last values
custom_counters  counters of custom gates: raw samples since the stage began, with resets
reading          the case that counts cannot be read

Counts are never clipped or estimated: whatever does not add up, or is no longer scraped, is Unreadable, with the
reason.
"""
