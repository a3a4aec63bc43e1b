"""``python -m bearerd``."""

from bearerd.cli import main

if __name__ == "__main__":
    main()
