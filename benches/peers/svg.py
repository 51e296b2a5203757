"""The little SVG that the figures need. No background; text and lines are dark on light pages and light on dark ones."""

from html import escape

STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.small { font-size: 10px } .title { font-size: 14px; font-weight: 600 }
.line { stroke: #1f2328; fill: none } .grid { stroke: #8b949e; stroke-opacity: .35; fill: none }
.one { fill: #0072B2 } .all { fill: #E69F00 } .model { stroke: #D55E00; fill: none; stroke-width: 2; stroke-dasharray: 6 3 }
.target { stroke: #1f2328; stroke-width: 2.5 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .line, .target { stroke: #e6edf3 } .one { fill: #4ba3dd } .model { stroke: #f0894d }
}
"""


def document(width, height, body, title):
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n" + "\n".join(body) + "\n</svg>\n"
    )


def text(x, y, content, anchor="start", kind=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">{escape(content)}</text>'


def line(x1, y1, x2, y2, kind):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def bar(x, y, width, height, kind):
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{height:.1f}" class="{kind}"/>'


def path(points, kind):
    return f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}" class="{kind}"/>'


def dot(x, y, kind, radius=3.5):
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" class="{kind}"/>'
