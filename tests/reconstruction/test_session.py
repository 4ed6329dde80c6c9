from divulge.reconstruction.tally import Tally


def test_books_what_was_asked_since_the_last_time():
    asked = [10]
    tally = Tally(lambda: asked[0])
    tally.book(0)
    asked[0] = 14
    tally.book(2)
    asked[0] = 15
    tally.book(0)
    asked[0] = 20
    assert tally.by_layer(3) == (11, 0, 9)
    assert tally.by_layer(2) == (11, 9)
    assert tally.by_layer(4) == (11, 0, 4, 5)
    assert tally.by_layer(1) == (20,)
    assert tally.by_layer(0) == ()


def test_nothing_booked_counts_to_the_last_layer():
    assert Tally(lambda: 7).by_layer(2) == (0, 7)
