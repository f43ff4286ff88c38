"""Errors of the models in words for people who write YAML, and without a word of what the YAML holds."""

from pydantic import ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

# Types of pydantic's own errors; those of our rules have their sentence already.
_SENTENCES = {
    "missing": "the field is required",
    "extra_forbidden": "the field is not known",
    "string_type": "the value must be text",
    "int_type": "the value must be a whole number",
    "bool_type": "the value must be true or false",
    "tuple_type": "the value must be a list",
    "model_type": "the value must be a mapping",
    "dict_type": "the value must be a mapping",
    "invalid_key": "the name of a field must be text",
    "literal_error": "the value must be {expected}",
    "string_too_short": "the text must have at least {min_length} characters",
    "string_too_long": "the text may have at most {max_length} characters",
    "string_pattern_mismatch": "the text must match {pattern}",
    "too_short": "the list must have at least {min_length} items",
    "too_long": "the list or mapping may have at most {max_length} items",
    "greater_than_equal": "the number must be at least {ge}",
    "less_than_equal": "the number may be at most {le}",
}


def without_values(error: ValidationError) -> ValidationError:
    """The same errors at the same places, in our words, with nothing of what was written.

    A manifest may hold a credential anywhere, for people make mistakes; an error may be printed anywhere.
    """
    told = error.errors(include_url=False, include_input=False)
    return ValidationError.from_exception_data(error.title, [_told(line) for line in told], hide_input=True)


def _told(line: ErrorDetails) -> InitErrorDetails:
    ours = _SENTENCES.get(line["type"])
    sentence = ours.format_map(line.get("ctx", {})) if ours else line["msg"]
    # The type is passed on for those who ask it; it is one of pydantic's, or "rule".
    kind = PydanticCustomError(line["type"], "{sentence}", {"sentence": sentence})  # pyright: ignore[reportArgumentType]
    return InitErrorDetails(type=kind, loc=line["loc"], input=None)
