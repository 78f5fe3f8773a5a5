"""An x402 facilitator: verifies and settles payments of orders for resource servers."""
