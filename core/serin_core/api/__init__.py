"""The SuggestionModel resource as people write and read it: spec, gates, status, and the CRD made from them."""
