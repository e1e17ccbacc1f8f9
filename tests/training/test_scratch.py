import numpy as np

from training.scratch import mirrored_batches


def test_an_epoch_holds_each_picture_once_as_it_is_or_mirrored_with_its_label() -> None:
    rng = np.random.default_rng(5)
    pictures = rng.integers(0, 256, (50, 4, 4, 3), dtype=np.uint8)
    before = pictures.copy()
    seen, mirrored, sizes = [], 0, []
    for stack, labels in mirrored_batches((pictures, np.arange(50)), 16, rng):
        sizes.append(len(stack))
        for picture, label in zip(stack, labels, strict=True):
            flipped = np.array_equal(picture, before[label][:, ::-1])
            assert flipped or np.array_equal(picture, before[label])
            mirrored += flipped
            seen.append(int(label))
    assert sorted(seen) == list(range(50))
    assert sizes == [16, 16, 16, 2]
    assert 10 < mirrored < 40
    assert np.array_equal(pictures, before)
