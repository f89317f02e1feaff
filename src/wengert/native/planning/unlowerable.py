"""What the compiler cannot do."""


class Unlowerable(Exception):
    """An equation that the compiler has no way to lower; the reference interpreter runs it."""
