"""Makes orders, shows them and cancels them."""
