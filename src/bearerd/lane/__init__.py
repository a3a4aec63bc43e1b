"""What the native lane asks of Python: its routes, what is decided for the first time, and what its notes say."""
