"""The encrypted store of prompts and answers, for sites that must keep them."""
