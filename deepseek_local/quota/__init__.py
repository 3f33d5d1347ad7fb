"""How much may be used: which limits apply to a request, and the ledgers in which use is counted."""
