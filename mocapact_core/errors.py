"""The one exception that is a message to the user rather than a defect of the program."""


class InputError(ValueError):
    """Bad input: the message says what was asked, what exists and what to do."""


def nearest(asked: str, existing: list[str], n: int = 3) -> str:
    """The names in `existing` that look most like `asked`, as text for an error message."""
    import difflib

    close = difflib.get_close_matches(asked, existing, n=n, cutoff=0.0)
    return ", ".join(close) if close else "none"
