"""Commands of the program `serin` that belong to the server: `serin serve` and `serin data`."""
