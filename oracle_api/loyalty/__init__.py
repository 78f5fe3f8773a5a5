"""Points for milk that was paid, and the coupons that they become."""
