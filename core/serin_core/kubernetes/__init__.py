"""Child objects of a SuggestionModel: how they are rendered and compared with live objects."""
