"""Rate limits: what a principal may spend under a rule, in each process and in the whole fleet."""
