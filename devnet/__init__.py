"""A whole BillCoin on one laptop: chain, database, wallets and the demo."""
