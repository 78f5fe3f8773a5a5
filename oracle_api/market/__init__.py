"""The milk market as dairies and suppliers see it: offers, and what became of purchases."""
