"""One module a change of schema, in order."""
