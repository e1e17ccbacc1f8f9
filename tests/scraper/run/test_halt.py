from sceneset.signals import StopRequest
from scraper.run.session import UNREACHABLE_IN_A_ROW, Halt


def test_a_run_goes_on_while_all_is_well() -> None:
    halt = Halt(StopRequest())
    for reason in ("target reached", "end of results", "stalled", "layout unknown"):
        halt.meet(reason)  # type: ignore[arg-type]
    assert not halt


def test_a_block_ends_it_and_the_first_reason_stays() -> None:
    halt = Halt(StopRequest())
    halt.meet("blocked")
    halt.meet("consent")
    assert halt.reason == "blocked"


def test_one_class_out_of_reach_does_not_end_it_but_several_in_a_row_do() -> None:
    halt = Halt(StopRequest())
    for _ in range(UNREACHABLE_IN_A_ROW - 1):
        halt.meet("unreachable")
    halt.meet("end of results")
    halt.meet("unreachable")
    assert not halt
    for _ in range(UNREACHABLE_IN_A_ROW):
        halt.meet("unreachable")
    assert halt.reason == "unreachable"


def test_the_user_is_heard_first() -> None:
    request = StopRequest()
    halt = Halt(request)
    halt.meet("blocked")
    request.signal_number = 2
    assert halt.reason == "interrupted"
