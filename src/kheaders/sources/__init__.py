"""Where headers come from, one module a source; each answers with an offer or with the reason why it has none."""
