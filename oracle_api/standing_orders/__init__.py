"""Standing orders: what payers signed, and the keeper that collects what is due."""
