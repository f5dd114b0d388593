"""What is known about merchants before anybody has labelled a transaction: brands by country, and word vectors.

`brands.json.gz` is made by update.py from the name-suggestion-index of OpenStreetMap, `vectors.npz` by
update_vectors.py from GloVe; their licences are beside them.
"""
