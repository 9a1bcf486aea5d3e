import copy
import threading

import numpy as np
import pytest
import torch
from PIL import Image

from fer_models.architectures import create_model
from fer_models.inference import exclusive, predict, preprocess
from fer_models.inference.logits import compute_logits
from fer_models.inference.prediction import BATCH_SIZE


@pytest.fixture
def model():
    torch.manual_seed(0)
    return create_model("baseline_cnn", widths=(4, 8, 8), hidden=16).eval()


def _noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_preprocess_scales_to_unit_range_at_the_models_size(model):
    faces = preprocess([np.zeros((60, 50), np.uint8), np.full((48, 48, 3), 255, np.uint8)], model)
    assert faces.dtype == torch.float32
    assert torch.equal(faces, torch.stack([torch.zeros(3, 128, 128), torch.ones(3, 128, 128)]))


def test_preprocess_drops_detail_finer_than_48_pixels(model):
    sharp = np.zeros((480, 480), np.uint8)
    sharp[::2] = 200  # stripes one pixel wide: grey 100 at 48 pixels
    assert torch.allclose(preprocess([sharp], model), torch.tensor(100 / 255))


def test_preprocess_takes_a_picture_and_its_array_for_the_same(model):
    array = _noise(70, 60, 3)
    as_array, as_picture = preprocess([array, Image.fromarray(array)], model)
    assert torch.equal(as_array, as_picture)
    assert torch.equal(as_array[0], as_array[1]) and torch.equal(as_array[1], as_array[2])


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I", "F"])
def test_preprocess_reads_every_mode_of_picture(model, mode):
    white = Image.new("RGB", (50, 50), "white").convert(mode)
    assert torch.allclose(preprocess([white], model), torch.tensor(1.0), atol=0.01)


def test_an_empty_list_gives_empty_results(model):
    assert preprocess([], model).shape == (0, 3, 128, 128)
    assert predict(model, []).shape == (0, 7)


@pytest.mark.parametrize(
    ("faces", "error", "sentence"),
    [
        (np.zeros((48, 48), np.uint8), TypeError, r"as a list.* not as an array \(48, 48\): \[face\] for one face"),
        (Image.new("L", (48, 48)), TypeError, r"as a list.* not as a Image: \[face\] for one face"),
        (["face.png"], TypeError, r"faces\[0\] is a str: pass a PIL image"),
        ([np.zeros((48, 48), np.uint8), None], TypeError, r"faces\[1\] is a NoneType"),
        ([np.zeros((48, 48))], TypeError, r"faces\[0\] has dtype float64.*astype\(np.uint8\)"),
        ([np.zeros((48, 48, 4), np.uint8)], ValueError, r"faces\[0\] has shape \(48, 48, 4\)"),
        ([np.zeros((1, 48, 48), np.uint8)], ValueError, r"faces\[0\] has shape \(1, 48, 48\)"),
        ([np.zeros((0, 48), np.uint8)], ValueError, r"faces\[0\] has shape \(0, 48\)"),
        ([np.zeros(48, np.uint8)], ValueError, r"faces\[0\] has shape \(48,\)"),
        ([Image.new("L", (0, 5))], ValueError, r"faces\[0\] is empty: an image of 0x5 pixels"),
        (np.zeros((48, 48, 3), np.uint8), TypeError, r"not as an array \(48, 48, 3\): \[face\] for one face"),
        (np.zeros((48, 48, 4), np.uint8), TypeError, r"not as an array \(48, 48, 4\)"),  # RGBA, not 48 narrow faces
        (np.zeros((5, 60, 50), np.uint8), TypeError, r"not as an array \(5, 60, 50\).*list\(faces\) for several"),
        (np.zeros((2, 48, 48, 1), np.uint8), ValueError, r"faces\[0\] has shape \(48, 48, 1\)"),
        (np.zeros((2, 48, 48)), TypeError, r"faces\[0\] has dtype float64"),
        ((face for face in ()), TypeError, r"not as a generator.*list\(faces\)"),
    ],
)
def test_what_is_not_a_list_of_faces_is_refused_in_a_sentence(model, faces, error, sentence):
    for use in (lambda: preprocess(faces, model), lambda: predict(model, faces)):
        with pytest.raises(error, match=sentence):
            use()


def test_one_array_of_several_faces_is_a_list_of_them(model):
    for batch in (_noise(5, 48, 48), _noise(3, 60, 60), _noise(2, 60, 50, 3), _noise(0, 48, 48)):
        np.testing.assert_array_equal(predict(model, batch), predict(model, list(batch)))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_changes_no_result(model, dtype):
    faces = _noise(3, 48, 48)
    expected, logits = predict(model, faces), compute_logits(model, torch.from_numpy(faces))
    with torch.autocast("cpu", dtype):
        found = predict(model, faces), compute_logits(model, torch.from_numpy(faces))
        assert torch.is_autocast_enabled("cpu")
    for result, without in zip(found, (expected, logits), strict=True):
        assert result.dtype == np.float32
        np.testing.assert_array_equal(result, without)


@pytest.mark.parametrize(("dtype", "rounding"), [(torch.float16, 1e-3), (torch.bfloat16, 1e-2), (torch.float64, 1e-6)])
def test_a_model_of_another_dtype_predicts_the_same_in_float32(model, dtype, rounding):
    faces = _noise(3, 48, 48)
    expected, logits = predict(model, faces), compute_logits(model, torch.from_numpy(faces))
    model.to(dtype)
    assert preprocess(faces, model).dtype == dtype
    found = predict(model, faces), compute_logits(model, torch.from_numpy(faces))
    for result, in_float32 in zip(found, (expected, logits), strict=True):
        assert result.dtype == np.float32
        np.testing.assert_allclose(result, in_float32, rtol=0, atol=rounding)


@pytest.mark.parametrize("wrap", [lambda model: torch.compile(model, backend="aot_eager"), torch.nn.DataParallel])
def test_a_wrapped_model_predicts_the_same_and_shares_its_lock(model, wrap):
    faces, wrapped = _noise(3, 48, 48), wrap(model)
    model.temperature = 2.0
    expected = predict(model, faces)
    np.testing.assert_allclose(predict(wrapped, faces), expected, rtol=1e-5)
    torch.testing.assert_close(preprocess(faces, wrapped), preprocess(faces, model))
    with exclusive(torch.nn.DataParallel(wrapped)) as network:
        assert network is model


def test_what_is_no_model_is_refused_in_a_sentence():
    for wrong, kind in (("resnet50", "str"), (torch.nn.Linear(2, 7), "Linear")):
        with pytest.raises(TypeError, match=f"The model is a {kind}, not an EmotionModel: pass what load_model"):
            predict(wrong, [_noise(48, 48)])


def test_predict_divides_the_logits_by_the_temperature(model):
    faces = [_noise(48, 48), _noise(48, 48, seed=1)]
    model.temperature = 2.5
    with torch.no_grad():
        expected = torch.softmax(model(preprocess(faces, model)) / 2.5, dim=1).numpy()
    probabilities = predict(model, faces)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities, expected, rtol=1e-6)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)


def test_predict_mirrored_is_the_mean_over_both_views(model):
    model.temperature, model.mirrored_temperature = 2.0, 0.5
    faces = list(np.random.default_rng(0).integers(0, 256, (3, 48, 48), np.uint8))
    plain = copy.deepcopy(model)
    plain.temperature = 0.5
    both = [predict(plain, faces), predict(plain, [np.fliplr(face) for face in faces])]
    found = predict(model, faces, mirrored=True)
    np.testing.assert_allclose(found, np.mean(both, axis=0), atol=1e-6)
    np.testing.assert_allclose(found, predict(model, [np.fliplr(face) for face in faces], mirrored=True), atol=1e-6)
    assert predict(model, [], mirrored=True).shape == (0, 7)


def test_predict_in_batches_equals_predict_one_by_one(model):
    faces = [_noise(48, 48, seed=seed) for seed in range(2 * BATCH_SIZE + 3)]
    one_by_one = np.concatenate([predict(model, [face]) for face in faces])
    np.testing.assert_allclose(predict(model, faces), one_by_one, rtol=1e-5, atol=1e-7)


def test_predict_runs_in_eval_mode_and_leaves_every_module_as_it_was(model):
    face = _noise(48, 48)
    expected = predict(model, [face])
    model.train()
    model.block1.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    np.testing.assert_array_equal(predict(model, [face]), expected)
    assert model.training and model.block2.training and not model.block1.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_exclusive_lets_one_thread_at_a_time_use_a_model_and_other_models_run(model):
    other, entered = create_model("baseline_cnn", widths=(4, 8, 8), hidden=16), []

    def use(wanted):
        with exclusive(wanted):
            entered.append(wanted)

    with exclusive(model):
        threads = [threading.Thread(target=use, args=(wanted,)) for wanted in (model, other)]
        for thread in threads:
            thread.start()
        threads[1].join(timeout=10)
        threads[0].join(timeout=0.1)
        assert entered == [other]
    threads[0].join(timeout=10)
    assert entered == [other, model]


def test_exclusive_is_free_again_after_an_error(model):
    model.train()
    with pytest.raises(ZeroDivisionError), exclusive(model):
        raise ZeroDivisionError
    assert model.training
    with exclusive(model):
        assert not model.training
