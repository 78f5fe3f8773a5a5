"""Signs that an order is paid, for whoever has to show it to somebody else."""
