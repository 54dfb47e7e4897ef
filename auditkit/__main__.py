"""`python -m auditkit` is the same as `audit`."""

from auditkit.cli import main

if __name__ == "__main__":
    main()
