from sceneset.signals import StopRequest
from scraper.run.session import UNREACHABLE_IN_A_ROW, CircuitBreaker


def test_a_run_goes_on_while_all_is_well() -> None:
    breaker = CircuitBreaker(StopRequest())
    for reason in ("target reached", "end of results", "stalled", "layout unknown"):
        breaker.record(reason)  # type: ignore[arg-type]
    assert breaker.reason is None


def test_a_block_ends_it_and_the_first_reason_stays() -> None:
    breaker = CircuitBreaker(StopRequest())
    breaker.record("blocked")
    breaker.record("consent")
    assert breaker.reason == "blocked"


def test_one_class_out_of_reach_does_not_end_it_but_several_in_a_row_do() -> None:
    breaker = CircuitBreaker(StopRequest())
    for _ in range(UNREACHABLE_IN_A_ROW - 1):
        breaker.record("unreachable")
    breaker.record("end of results")
    breaker.record("unreachable")
    assert breaker.reason is None
    for _ in range(UNREACHABLE_IN_A_ROW):
        breaker.record("unreachable")
    assert breaker.reason == "unreachable"


def test_the_user_is_heard_first() -> None:
    request = StopRequest()
    breaker = CircuitBreaker(request)
    breaker.record("blocked")
    request.signal_number = 2
    assert breaker.reason == "interrupted"
