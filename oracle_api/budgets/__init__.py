"""How much each caller may ask for, so that none can use up another's share."""
