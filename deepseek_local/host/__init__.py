"""Is this host fit to serve, and how does it become so: facts are probed, judged apart from that, and changed only on demand."""
