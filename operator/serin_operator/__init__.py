"""The operator: it watches SuggestionModels, and reads and writes what the decisions in core need."""
