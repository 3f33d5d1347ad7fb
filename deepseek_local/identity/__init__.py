"""Who asks: credentials turned into principals."""
