"""Native output is silenced for a block, and given back however many threads were inside."""

from __future__ import annotations

import os
import threading

from tlplug.backbones import quiet


def test_what_is_printed_inside_is_lost_and_what_follows_is_not(capfd):
    with quiet():
        os.write(1, b"inside")
        os.write(2, b"inside")
    os.write(1, b"after")
    assert capfd.readouterr() == ("after", "")


def test_overlapping_threads_give_the_streams_back(capfd):
    first_in, second_in, first_out = threading.Event(), threading.Event(), threading.Event()

    def first():
        with quiet():
            first_in.set()
            second_in.wait(10)
        first_out.set()

    def second():
        first_in.wait(10)
        with quiet():
            second_in.set()
            first_out.wait(10)
            os.write(1, b"still inside")

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os.write(1, b"after")
    assert capfd.readouterr().out == "after"
