"""Child objects of a SuggestionModel: rendering, and comparison with live objects."""
