"""A real proof-of-stake chain on one machine: execution and consensus clients, and validators."""
