"""Pushes the journal's events to tills and wakes whoever waits for one."""
