"""How vLLM is told what to do; it is launched, never imported (but by the launcher)."""
