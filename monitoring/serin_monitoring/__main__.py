"""`python -m serin_monitoring`, the program of `make monitoring`: writes every generated file."""

from serin_monitoring.files import files


def main() -> None:
    """Write the files."""
    for path, contents in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(contents, encoding="utf-8")


if __name__ == "__main__":
    main()
