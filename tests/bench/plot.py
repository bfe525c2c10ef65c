"""Grouped bars as plain SVG, readable on light and on dark paper, without any library."""
import math
from xml.sax.saxutils import escape

WIDTH, PANEL, TOP, LEFT, RIGHT, LABELS = 900, 220, 142, 56, 16, 52
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #24292f; }
.title { font-size: 16px; font-weight: 600; }
.panel { font-size: 13px; font-weight: 600; }
.small { font-size: 10px; fill: #57606a; }
.value { font-size: 10px; text-anchor: middle; }
.tick { text-anchor: end; }
.group { text-anchor: middle; }
line { stroke: #d0d7de; }
.b0 { fill: #8c959f; } .b1 { fill: #bc8cff; } .b2 { fill: #54aeff; } .b3 { fill: #e0823d; } .b4 { fill: #1a7f37; }
@media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .small { fill: #9da7b1; }
    line { stroke: #3d444d; }
    .b0 { fill: #7d8590; } .b1 { fill: #a371f7; } .b2 { fill: #388bfd; } .b3 { fill: #db6d28; } .b4 { fill: #3fb950; }
}
"""
COLOURS = {"haproxy": 0, "haproxy-h2": 1, "nginx": 2, "nginx-njs": 3, "cention-proxy": 4}


class Panel:
    """`values`: for each contestant, one value (or None: not measured, or void) for each group."""

    def __init__(self, title, groups, values):
        self.title, self.groups, self.values = title, groups, values

    @property
    def most(self):
        return max((v for row in self.values for v in row if v is not None), default=0.0)


def steps(most):
    """Round numbers for an axis from 0 to a little above `most`."""
    if most <= 0:
        return [0.0, 1.0]
    rough = most / 4
    size = 10 ** math.floor(math.log10(rough))
    step = next(size * n for n in (1, 2, 5, 10) if size * n >= rough)
    return [step * i for i in range(math.ceil(most / step) + 1)]


def _text(x, y, words, kind=""):
    return '<text x="%.1f" y="%.1f"%s>%s</text>' % (x, y, ' class="%s"' % kind if kind else "", escape(words))


def _legend(contestants):
    out = []
    for i, (name, label) in enumerate(contestants):
        x, y = LEFT + i % 3 * 270, 82 + i // 3 * 18
        out.append('<rect class="b%d" x="%d" y="%d" width="11" height="11" rx="2"/>' % (COLOURS[name], x, y - 10))
        out.append(_text(x + 17, y, label))
    return out


def _panel(panel, contestants, top):
    ticks = steps(panel.most)
    bottom, scale = top + PANEL, (PANEL - 16) / ticks[-1]
    out = [_text(LEFT, top - 6, panel.title, "panel")]
    for tick in ticks:
        y = bottom - tick * scale
        out.append('<line x1="%d" y1="%.1f" x2="%d" y2="%.1f"/>' % (LEFT, y, WIDTH - RIGHT, y))
        out.append(_text(LEFT - 6, y + 4, "%g" % tick, "tick"))
    room = (WIDTH - LEFT - RIGHT) / len(panel.groups)
    bar = min(34.0, room * 0.84 / len(contestants))
    for g, group in enumerate(panel.groups):
        middle = LEFT + room * (g + 0.5)
        out.append(_text(middle, bottom + 18, group, "group"))
        for c, (name, label) in enumerate(contestants):
            x = middle + bar * (c - len(contestants) / 2)
            value = panel.values[c][g]
            if value is None:
                out.append(_text(x + bar / 2, bottom - 4, "-", "value"))
                continue
            height = value * scale
            out.append('<rect class="b%d" x="%.1f" y="%.1f" width="%.1f" height="%.1f"><title>%s</title></rect>' % (
                COLOURS[name], x + 1, bottom - height, bar - 2, height,
                escape("%s, %s: %.1f us" % (label, group, value))))
            out.append(_text(x + bar / 2, bottom - height - 3, "%.0f" % value, "value"))
    return out


def bars(title, small, contestants, panels):
    """An SVG document; `contestants` are (name, label) in the order of each panel's values."""
    height = TOP + len(panels) * (PANEL + LABELS)
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">' % (
        WIDTH, height, WIDTH, height), "<title>%s</title>" % escape(title), "<style>%s</style>" % STYLE,
        _text(LEFT, 24, title, "title")] + [
            _text(LEFT, 42 + 14 * i, line, "small") for i, line in enumerate(small.split("; ")[:2])]
    out += _legend(contestants)
    for i, panel in enumerate(panels):
        out += _panel(panel, contestants, TOP + i * (PANEL + LABELS))
    return "\n".join(out + ["</svg>", ""])
