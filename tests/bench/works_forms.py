"""tests/bench/works_forms.py - the rows of large files in each form, and of cold folders"""
from forms import FORMS, Form
from works import GIB, MIB, Limit, Row, Work, amount, downloads, held, take_away

EXT4 = Form("ext4", "cold")
PLAIN_UPLOADS = ("large", "scarce")     # in clear there are no records whose size matters


def one(bench, server, form, verb, tls):
    """One transfer; checked is that the disk was read where it should, and only there."""
    places, size, folder = bench.places, bench.sizes.form, form.folder
    more, name = {}, f"{folder}/big"
    if verb == "put":
        bench.warm(size, f"{bench.home}/{folder}")
        name = f"{folder}/up"
        if form.how == "4k":
            more["piece"] = 4096
    else:
        places.ready(form)
    before = places.places[form.place].sectors_read()
    if form.how == "scarce":
        server.group.bound_memory(places.scarce)
    try:
        result, cpu = held(bench, server, verb, tls=tls, user=bench.user, bytes=size,
                           name=name, **more)
    finally:
        if form.how == "scarce":
            server.group.free_memory()
    if verb == "put":
        take_away(f"{bench.home}/{folder}", "up", 1, size)
    else:
        places.check(form, before)
    return [cpu * GIB / size, size / GIB / result["seconds"]], result


def cold_listing(bench, server, verb):
    place = bench.places.places["ext4"]
    place.forget_folders()
    before = place.sectors_read()
    result, cpu = held(bench, server, "list", user=bench.user, verb=verb, name="ext4/entries",
                       count=bench.sizes.entries_cold)
    if place.sectors_read() - before < bench.sizes.entries_cold // 4:      # 128 bytes for each
        raise ValueError("the folder was not cold")
    return [cpu, result["seconds"]], result


def at_once(bench, server, form):
    return downloads(bench, server, form.folder + "/medium")


def make_works(bench):
    z, home, works = bench.sizes, bench.home, []
    mib = z.form // MIB

    def add(form, title, run, whats):
        limits = [Limit(what, f"{home}/{form.folder}", mib, GIB / z.form, form)
                  for what in whats]
        rows = [Row(title, "CPU-s/GiB", limits=limits, tuned=True)]
        if form.read_from_disk:         # then the wait counts, too
            rows.append(Row(f"{title}, rate", "GiB/s", more=True))
        works.append(Work(rows, run, form=form, often=True))

    for form in FORMS:
        for tls in (True, False):
            kind = "TLS" if tls else "plain"
            add(form, f"RETR {kind}, {amount(z.form)}, {form.text()}",
                lambda b, s, f=form, t=tls: one(b, s, f, "get", t),
                ["seal-send", "seal-read"] if tls else ["sendfile"])
            if form.how == "cold" or (not tls and form.how not in PLAIN_UPLOADS):
                continue
            how = {"large": "", "4k": ", by 4 KiB"}.get(form.how, ", " + form.how)
            add(form, f"STOR {kind}, {amount(z.form)}, {form.place}{how}",
                lambda b, s, f=form, t=tls: one(b, s, f, "put", t),
                ["open-write"] if tls else ["splice"])
    pages = Form("tmpfs", "4k")
    works.append(Work([Row(f"RETR TLS, {z.downloads} x {amount(z.medium)}, {pages.text()}",
                           "CPU-s/GiB", tuned=True,
                           limits=[Limit(what, f"{home}/{pages.folder}", mib, GIB / z.form,
                                         pages) for what in ("seal-send", "seal-read")])],
                      lambda b, s: at_once(b, s, pages), form=pages, often=True))
    for verb in ("LIST", "MLSD"):
        title = f"{verb}, {z.entries_cold:,} entries, ext4, cold"
        works.append(Work([Row(title, "CPU-s",
                               limits=[Limit(what, home + "/ext4/entries", 1, 1, EXT4)
                                       for what in ("list", "list-sorted")]),
                           Row(title + ", time", "s")],
                          lambda b, s, v=verb: cold_listing(b, s, v), form=EXT4))
    return works
