"""`python -m deepseek_local` is the console script under another name."""

from deepseek_local.cli.main import main

if __name__ == "__main__":
    main()
