"""What Serin knows. Pure: no I/O, no clock, no async, no framework."""
