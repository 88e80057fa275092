"""Prints the cells as Markdown, beside the targets, and says what was missed."""

from targets import LESS, MORE, QUANTITIES, RIVALS


def markdown(columns, titles, about, notes):
    """Returns the whole report. `columns` maps a program's name to its cells, ours first."""
    ours = [name for name in columns if name.startswith("posthaste")]
    peers = [name for name in columns if name not in ours]
    reasons = Reasons()
    rows = [["quantity", "target", *ours, "× best peer", *peers]]
    missed = []
    for quantity in QUANTITIES:
        cells = [c.get(quantity.key) for c in columns.values()]
        if None in cells and not any(c and c.value is not None for c in cells):
            continue  # that step was not asked for
        title = quantity.title.format(**titles)
        row = [title, target_text(quantity)]
        for name in ours:
            cell = columns[name].get(quantity.key)
            wrong = faults(quantity, name, columns)
            missed += [f"{name}: {title}: {w}" for w in wrong]
            mark = "" if cell is None or cell.value is None else (" ✘" if wrong else " ✔")
            row.append(printed(quantity, cell, reasons) + mark)
        row.append(ratio(quantity, columns, ours, peers))
        row += [printed(quantity, columns[name].get(quantity.key), reasons) for name in peers]
        rows.append(row)
    lines = [about, "", *grid(rows), ""]
    lines += [f"[{mark}] {why}  " for why, mark in reasons.marks.items()]
    lines += [f"{name}: {note}.  " for name, note in notes.items()]
    if missed:
        lines += ["", "Missed:", "", *(f"- {m}" for m in missed)]
    return "\n".join(lines) + "\n"


class Reasons:
    """Numbers the reasons for empty cells, so that the table stays narrow."""

    def __init__(self):
        self.marks = {}

    def mark(self, why):
        return self.marks.setdefault(why, len(self.marks) + 1)


def target(quantity, name, cells):
    """Returns the value to reach for one of our builds, in the cell's unit, or None."""
    reach = quantity.static if "static" in name and quantity.static is not None else quantity.reach
    if reach is None or not quantity.above:
        return reach
    base = cells.get(quantity.above)
    return None if base is None or base.value is None else base.value + reach


def faults(quantity, name, columns):
    """Says in what one of our cells misses its target or the floor."""
    cell = columns[name].get(quantity.key)
    if cell is None or cell.value is None:
        return []
    wrong = []
    aim = target(quantity, name, columns[name])
    if quantity.turns is not None:
        if cell.turns > quantity.turns:
            wrong.append(f"{cell.turns} turns, target {quantity.turns}")
    elif aim is not None and worse(quantity, cell.value, aim):
        wrong.append(f"{number(quantity, cell.value)}, target {number(quantity, aim)}")
    if cell.stalled:
        wrong.append("it stalls")
    for rival in RIVALS if quantity.floor else ():
        other = columns.get(rival, {}).get(quantity.key)
        if other and other.value is not None and worse(quantity, cell.value, other.value):
            wrong.append(f"floor: {rival} has {number(quantity, other.value)}, we {number(quantity, cell.value)}")
    return wrong


def worse(quantity, value, than):
    return value > than if quantity.better == LESS else value < than


def ratio(quantity, columns, ours, peers):
    """How many times better our best build is than the best peer: above 1 is better."""
    pick = min if quantity.better == LESS else max

    def best(names):
        values = [(c.value, n) for n in names if (c := columns[n].get(quantity.key)) and c.value is not None]
        return pick(values, default=None)

    mine, theirs = best(ours), best(peers)
    if quantity.unit == "ms" or quantity.key == "trips-hundred" or not theirs:
        return "" if not theirs or quantity.unit == "ms" else theirs[1]
    if not mine:
        return theirs[1]
    better = mine[0] / theirs[0] if quantity.better == MORE else theirs[0] / mine[0]
    return f"{better:.2f} ({theirs[1]})"


def printed(quantity, cell, reasons):
    if cell is None:
        return ""
    if cell.value is None:
        return f"– [{reasons.mark(cell.reason)}]"
    text = number(quantity, cell.value)
    if cell.turns is not None:
        text += f" ({cell.turns})"
    if cell.stalled:
        text += " stall"
    return f"{text} {cell.detail}".strip()


def number(quantity, value):
    match quantity.unit:
        case "M":
            return f"{value / 1e6:.2f} M" if value < 1e8 else f"{value / 1e6:,.0f} M"
        case "MB":
            return f"{value / 1e6:.1f} MB" if value < 1e8 else f"{value / 1e6:,.0f} MB"
        case "×":
            return f"× {value:.2f}"
        case "trips" | "ms":
            return f"{value:.1f}".replace("-0.0", "0.0")
        case _:
            return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def target_text(quantity):
    if quantity.reach is None:
        return "the floor" if quantity.floor else ""
    sign = "≤" if quantity.better == LESS else "≥"
    if quantity.above:
        return "2 KB + " + number(quantity, quantity.reach)
    if quantity.turns is not None:
        return f"{quantity.turns}" if quantity.turns else "< 1"
    if quantity.unit == "ms":
        return "no stall"
    text = f"{sign} {number(quantity, quantity.reach)}"
    if quantity.static is not None:
        text += f"; static {sign} {number(quantity, quantity.static)}"
    return text


def grid(rows):
    """Lays out a Markdown table with even columns, so that it reads well in a terminal too."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    lines = ["| " + " | ".join(text.ljust(width) for text, width in zip(row, widths)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return lines
