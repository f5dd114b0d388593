"""The HTTP API: parsing and checking of requests, and the form of responses. No decisions are made here."""
