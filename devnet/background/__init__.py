"""A devnet that goes on when its command has ended: up, down, status, logs, reset."""
