"""How a file of transactions seems to be written: the guesses of `serin data inspect`, how sure each is, and why.

findings   one guess
text       the encoding, and whether the file is a text at all
layout     separator, lines before the header, header
columns    which column is which
formats    times, decimal sign, sign of purchases
inspect    from a file to all findings, checked by reading every row
map_text   the findings as map.yaml and as a report

A guess that the file does not decide is written as `undecided`, which no command reads.
"""
