"""Every way in which a message can be wrong, made from the rows of messages.def."""

from puppet import FAULTS, MESSAGE_MAX, Steps

COUNTS = (0, 1, 2, 3, 5, 16)    # of descriptors


def legal(sender, receiver, state):
    """The rows that this sender may send to this receiver in its state."""
    return [r for r in Steps.rows.values()
            if r.sender & sender and r.receiver & receiver and r.states & state]


def out_of_place(rows, where="m", fds=None):
    """Unknown, from a wrong sender, to a wrong receiver, in a wrong state, no message.

    fds: with so many descriptors, where the kernel lets no more pass; None: as the row has."""
    for row in Steps.rows.values():
        if row not in rows:
            count = row.fds if fds is None else fds
            yield f"{row} out of place", f"forge {where} {row.type} {count} least"
    for number in (0, max(r.type for r in Steps.rows.values()) + 1, 0x7fff, 0xffff):
        yield f"unknown number {number}", f"send {where} {number} 0 00"
    for record in ("07", "ff"):
        yield f"a record of one byte, {record}", f"record {where} {record}"


def malformed(rows, where="m"):
    """Too short, too long, cut, with a field that is wrong. "impossible" is an answer."""
    for row in rows:
        sizes = {row.most + 1, MESSAGE_MAX + 1, MESSAGE_MAX + 2000}
        if row.least > 0:
            sizes |= {0, row.least - 1}
        for size in sorted(sizes):
            yield (f"{row} of {size} bytes",
                   f"send {where} {row.type} {row.fds} {'00' * size or '-'}")
        for form in ("half", "tail"):
            yield f"{row}, {form}", f"forge {where} {row.type} {row.fds} {form}"
        for field in range(row.fields):
            for fault in FAULTS:
                yield (f"{row}, fault {fault} in field {field}",
                       f"fault {where} {row.type} {field} {fault}")


def miscounted(rows, where="m"):
    """With more or fewer descriptors than the row has."""
    for row in rows:
        for count in COUNTS:
            if count != row.fds:
                yield (f"{row} with {count} descriptors",
                       f"forge {where} {row.type} {count} least")


def every(rows, where="m"):
    yield from out_of_place(rows, where)
    yield from malformed(rows, where)
    yield from miscounted(rows, where)
