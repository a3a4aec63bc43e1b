"""The native core: bytes, digests, clocks and tables.  No I/O, no policy, no configuration, nothing of ``bearerd``."""
