"""Rules of this project alone, asked for by `--house`."""
