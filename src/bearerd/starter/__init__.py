"""What ``bearerd init`` prints: the tested examples, with the addresses of whoever starts."""
