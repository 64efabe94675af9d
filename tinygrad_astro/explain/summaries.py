"""Arrays, shapes and sizes in a few characters, for tables and pictures."""

import numpy as np

NOT_COMPUTED = "not computed yet"


def values(array) -> str:
    """Write up to four values out; of more, give mean, scatter and range, and count what is NaN.

    Examples
    --------
    >>> import numpy as np
    >>> values(np.array(2.5)), values(np.array([1.0, 0.0])), values(np.arange(9.0))
    ('2.5', '[1.0, 0.0]', '4.0 ± 2.58, 0.0 .. 8.0')
    """
    a = np.asarray(array)
    if a.size == 0:
        return "empty"
    if a.size == 1:
        return number(a.reshape(-1)[0])
    if a.size <= 4:
        return "[" + ", ".join(map(number, a.reshape(-1))) + "]"
    good = a[~np.isnan(a)] if a.dtype.kind == "f" else a
    lost = a.size - good.size
    if not good.size:
        return f"{lost} NaN"
    with np.errstate(invalid="ignore", over="ignore"):  # infinities are shown as what they are
        mean, scatter = good.mean(dtype=np.float64), good.std(dtype=np.float64)
    text = f"{number(mean, 3)} ± {number(scatter, 3)}, "
    text += f"{number(good.min(), 3)} .. {number(good.max(), 3)}"
    return f"{text}, {lost} NaN" if lost else text


def number(x, digits: int = 4) -> str:
    """Write a number with a few digits; a float can be told from an integer."""
    if not isinstance(x, (float, np.floating)):
        return str(x)
    text = f"{x:.{digits}g}"
    return f"{text}.0" if text.lstrip("-").isdigit() else text


def shape(sizes) -> str:
    """Write a shape with its parentheses; a single value as "scalar"."""
    return "(" + ", ".join(map(str, sizes)) + ")" if sizes else "scalar"


def memory(count: int) -> str:
    """Write a number of bytes.

    Examples
    --------
    >>> memory(512), memory(2048), memory(3 * 2**20)
    ('512 B', '2.0 kB', '3.0 MB')
    """
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1024:
            break
        size, unit = size / 1024, {"B": "kB", "kB": "MB", "MB": "GB"}[unit]
    return f"{count} B" if unit == "B" else f"{size:.1f} {unit}"


def table(header, rows, right=()) -> str:
    """Line up rows of text under a header; columns named in `right` are flush right."""
    widths = [max(map(len, column)) for column in zip(header, *rows)]

    def line(cells):
        padded = [
            c.rjust(w) if name in right else c.ljust(w)
            for name, c, w in zip(header, cells, widths, strict=True)
        ]
        return "  ".join(padded).rstrip()

    return "\n".join([line(header), *map(line, rows)])
