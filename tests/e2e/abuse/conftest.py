"""Servers for clients that mean harm: one with the usual clocks, one with short ones."""

import pytest

import harness

HASTY = {
    "login_timeout": "6 s", "handshake_timeout": "20 s", "idle_timeout": "10 s",
    "data_connect_timeout": "2 s", "data_stall_timeout": "5 s", "login_failure_delay": "100 ms",
}
PLACES = {
    "cleartext_networks": ["127.0.0.0/8", "::1/128"],
    "max_sessions": 2000, "max_sessions_per_address": 1500,
    "durable": False,           # the disk is not what is tried here
}


def _session_server(world, name, **settings):
    s = harness.Server(world, name, **PLACES, **settings)
    try:
        s.start()
        yield s
        s.stop()
    finally:
        s.kill()


@pytest.fixture(scope="session")
def _patient(world):
    yield from _session_server(world, "patient", login_failure_delay="50 ms")


@pytest.fixture(scope="session")
def _hasty(world):
    yield from _session_server(world, "hasty", **HASTY)


@pytest.fixture
def patient(_patient):
    """Clear and TLS, many sessions, the clocks of the defaults."""
    return _patient.revive()


@pytest.fixture
def hasty(_hasty):
    """The same with every clock as short as it goes."""
    return _hasty.revive()


@pytest.fixture(params=[None, "explicit"], ids=["clear", "tls"])
def tls(request):
    return request.param


@pytest.fixture(params=[False, True], ids=["before", "after"])
def logged_in(request):
    """Before and after the login."""
    return request.param


@pytest.fixture
def control(patient, tls, logged_in):
    """A control connection in clear and with TLS, before and after the login."""
    c = patient.login(tls=tls) if logged_in else patient.client(tls=tls)
    yield c
    c.abandon()


@pytest.fixture
def folder(patient):
    """A fresh folder in the jail of the patient server's guest."""
    return patient.folder()


@pytest.fixture
def ftp(patient, folder, tls):
    """A guest in that folder, in clear and with TLS."""
    c = patient.login(tls=tls)
    assert c.cmd("CWD " + folder.ftp).code == 250
    yield c
    c.abandon()
