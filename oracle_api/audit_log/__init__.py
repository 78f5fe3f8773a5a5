"""Who did what to what, for auditors."""
