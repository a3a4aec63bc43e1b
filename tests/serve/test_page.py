"""Metrics of several processes, the dead ones included."""

from __future__ import annotations

import errno
import os
import re

import pytest

from bearerd import metrics
from bearerd.metrics import Metrics
from bearerd.serve.page import Page, Pages

LABELS = metrics.Labels({"api": ("forward_auth",)}, ("test",))
SIZE = metrics.page_size(LABELS)
ALLOWED = ("bearerd_decisions_total", "api", "forward_auth", "allow", "none")


def value(pages: Pages, name: str, **labels: str) -> float | None:
    """The one sample of a name with these labels; None where there is none."""
    found = []
    for line in pages.render().decode().splitlines():
        match = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
        if match and match[1] == name and all(f'{key}="{text}"' in (match[2] or "") for key, text in labels.items()):
            found.append(float(match[3]))
    return found[0] if found else None


def test_counters_of_all_workers_are_one() -> None:
    pages = Pages()
    for count in (2, 3):
        Metrics(pages.new(SIZE).memory, LABELS).inc(*ALLOWED, by=count)
    assert value(pages, "bearerd_decisions_total", outcome="allow") == 5
    pages.close()


def test_what_a_dead_worker_counted_stays_and_what_it_measured_goes() -> None:
    pages = Pages()
    page = pages.new(SIZE)
    writer = Metrics(page.memory, LABELS)
    writer.inc(*ALLOWED, by=7)
    writer.observe(0.001, "bearerd_decision_duration_seconds", "forward_auth")
    writer.set(11, "bearerd_token_cache_entries")
    writer.set(0, "bearerd_store_up")
    del writer
    assert value(pages, "bearerd_token_cache_entries") == 11
    pages.retire(page)
    assert value(pages, "bearerd_decisions_total", outcome="allow") == 7
    assert value(pages, "bearerd_decision_duration_seconds_count", face="forward_auth") == 1
    assert value(pages, "bearerd_token_cache_entries") is None
    assert value(pages, "bearerd_store_up") is None  # not 0: nobody says that the store is down
    pages.retire(page)  # once is enough
    pages.close()


def test_a_successor_goes_on_counting_in_the_page_of_a_dead_one() -> None:
    pages = Pages()
    first, second = pages.new(SIZE), pages.new(SIZE)
    for page in (first, second):
        Metrics(page.memory, LABELS).inc(*ALLOWED)
    pages.retire(first)
    heir = pages.new(SIZE)
    assert heir is first
    writer = Metrics(heir.memory, LABELS)
    writer.inc(*ALLOWED)
    writer.set(4, "bearerd_token_cache_entries")
    assert value(pages, "bearerd_decisions_total", outcome="allow") == 3
    assert value(pages, "bearerd_token_cache_entries") == 4
    assert pages.new(SIZE) is not second  # its writer lives: no page has two
    del writer
    pages.close()


def test_a_larger_page_takes_the_counts_of_the_smaller_over() -> None:
    pages = Pages()
    page = pages.new(SIZE)
    Metrics(page.memory, LABELS).inc(*ALLOWED, by=5)
    pages.retire(page)
    grown = pages.new(SIZE + 65536)
    assert len(grown.memory) == SIZE + 65536
    Metrics(grown.memory, LABELS).inc(*ALLOWED)
    assert value(pages, "bearerd_decisions_total", outcome="allow") == 6
    pages.close()


def test_the_supervisor_says_nothing_of_what_only_workers_know() -> None:
    pages = Pages()
    pages.own.set(1, "bearerd_config_last_reload_successful")
    assert value(pages, "bearerd_config_last_reload_successful") == 1
    assert value(pages, "bearerd_worker_restarts_total") == 0
    for name in ("bearerd_store_up", "bearerd_view_age_seconds", "bearerd_revocations_active"):
        assert value(pages, name) is None
    pages.close()


def test_a_worker_cannot_cut_the_memory_that_the_supervisor_reads() -> None:
    page = Page(SIZE)
    for size in (0, SIZE * 2):
        with pytest.raises(OSError) as caught:
            os.ftruncate(page.descriptor, size)
        assert caught.value.errno == errno.EPERM
    page.close()


def test_a_page_full_of_nonsense_is_rendered_and_taken_over() -> None:
    pages = Pages()
    page = pages.new(SIZE)
    page.memory[:] = os.urandom(SIZE)
    pages.render()
    pages.retire(page)
    heir = pages.new(SIZE)
    Metrics(heir.memory, LABELS).inc(*ALLOWED)
    assert value(pages, "bearerd_decisions_total", outcome="allow") == 1
    pages.close()
