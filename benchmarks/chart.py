"""The chart: one bar for each peer, drawn as SVG by hand."""

from html import escape

from benchmarks.measurement import Outcome, middle
from benchmarks.peers import OURS, OURS_RUN

_WIDTH, _LEFT, _BAR, _STEP, _TOP = 760, 190, 22, 32, 56
_ROOM = _WIDTH - _LEFT - 120
_OURS, _THEIRS = "#2563eb", "#94a3b8"


def chart(outcome: Outcome) -> str:
    """Bars for the median rates of ``outcome``, fastest first."""
    rates = {name: middle(samples, "rate") for name, samples in outcome.samples.items()}
    ranked = sorted(rates.items(), key=lambda pair: -pair[1])
    most = max(rates.values(), default=1.0) or 1.0
    height = _TOP + _STEP * len(ranked) + 12
    bars = [_bar(_TOP + _STEP * index, name, rate, most) for index, (name, rate) in enumerate(ranked)]
    title = escape(f"{outcome.title}: {outcome.unit}/s on one core")
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{title}"'
            ' font-family="system-ui, sans-serif" font-size="14">',
            f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
            f'<text x="16" y="32" font-size="17" font-weight="600" fill="#0f172a">{title}</text>',
            *bars,
            "</svg>\n",
        )
    )


def _bar(top: int, name: str, rate: float, most: float) -> str:
    width = max(1.0, _ROOM * rate / most)
    colour = _OURS if name in (OURS, OURS_RUN) else _THEIRS
    line = top + _BAR - 6
    return (
        f'<text x="{_LEFT - 10}" y="{line}" text-anchor="end" fill="#0f172a">{escape(name)}</text>'
        f'<rect x="{_LEFT}" y="{top}" width="{width:.1f}" height="{_BAR}" rx="3" fill="{colour}"/>'
        f'<text x="{_LEFT + width + 8:.1f}" y="{line}" fill="#0f172a">{rate:,.0f}</text>'
    )
