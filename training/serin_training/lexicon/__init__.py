"""Brands by country and kind of shop: rules before anybody has labelled a transaction.

`brands.json.gz` is made by update.py from the name-suggestion-index of OpenStreetMap; its licence is beside it.
"""
