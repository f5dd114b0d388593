"""`kubectl serin doctor`: checks of the installation and of SuggestionModels, each with what to do.

`reading` reads the cluster with the user's rights; everything else is pure.
"""
