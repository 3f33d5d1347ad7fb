"""Evidence: what an auditor does with the log, from its files alone and with nothing of the program that wrote them."""
