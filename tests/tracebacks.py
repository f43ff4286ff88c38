"""What a traceback with the variables of its frames would print of the package's own frames, causes included."""

import traceback


def told_by(error: BaseException) -> str:
    """All texts of the error and of what led to it, with the variables of the frames inside the package."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    texts: list[str] = []
    queue = [told]
    while queue:
        each = queue.pop()
        texts.extend(each.format_exception_only())
        texts.extend(str(frame.locals) for frame in each.stack if "gateway_filters" in frame.filename)
        queue.extend(other for other in (each.__cause__, each.__context__) if other is not None)
    return "\n".join(texts)
