"""A FAKE vLLM, put in front of the real one to provoke faults at will. It loads the front door as vLLM does, and computes nothing."""
