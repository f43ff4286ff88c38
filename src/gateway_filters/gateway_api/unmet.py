"""Parts of a policy that cannot be met."""


class UnmetError(Exception):
    """A sentence saying what is wrong, where it stands below the part, and the condition's reason."""

    def __init__(self, sentence: str, *below: str | int, reason: str = "Invalid") -> None:
        super().__init__(sentence)
        self.below = below
        self.reason = reason
