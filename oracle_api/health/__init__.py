"""Whether the process lives and whether it may be asked."""
