"""What the operators' channel hears of."""
