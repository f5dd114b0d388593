"""Group, version and kind of the resource. Imports nothing, so that commands start quickly."""

from typing import Final

GROUP: Final = "serin.dev"
VERSION: Final = "v1alpha1"
KIND: Final = "SuggestionModel"
PLURAL: Final = "suggestionmodels"
