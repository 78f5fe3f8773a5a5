"""What is true: blocks, transfers, orders and verdicts, as pure functions over plain values."""
