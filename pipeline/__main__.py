"""`python -m pipeline` is `headway`."""

from pipeline.cli import main

if __name__ == "__main__":
    main()
