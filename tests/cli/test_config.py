"""Options in a TOML file."""

import pytest

from wengert import models


def test_options_of_a_file(wengert, tmp_path):
    (tmp_path / "o.toml").write_text(
        'epochs = 2\nhidden = [8, 4]\ndropout = [0.1, 0.2]\nactivation = ["relu", "elu(alpha=0.5)"]\n'
        'optimiser = {name = "adam", b1 = 0.8}\nclass-weights = {setosa = 2.0}\nvalidation_fraction = 0.2\n'
        'ignore = ["petal_width_cm"]\nplot = "c.png"\nseed = 3\n'
    )
    code, _, err = wengert("train", "iris", "--config", "o.toml", "--seed", 4)
    assert code == 0, err
    model = models.load("iris.wengert")
    assert model.network.sizes == (3, 8, 4, 3)
    known = model.training["options"]
    assert (known["epochs"], known["seed"], known["dropout"]) == (2, 4, "0.1,0.2")
    assert (known["optimiser"], known["class_weights"]) == ("adam(b1=0.8)", "setosa=2.0")
    assert (known["activation"], known["validation_fraction"]) == ("relu,elu(alpha=0.5)", 0.2)
    assert (tmp_path / "c.png").exists()


def test_one_column_needs_no_list(wengert, tmp_path):
    (tmp_path / "o.toml").write_text('target = "hue"\nignore = "target"\nepochs = 2\nhidden = 8\n')
    code, _, err = wengert("train", "wine", "--config", "o.toml")
    assert code == 0, err
    model = models.load("wine.wengert")
    assert model.targets == ("hue",) and "target" not in model.features


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("epoch = 3", "o.toml:1: there is no option 'epoch'; did you mean 'epochs'?"),
        ("colour = 3", "o.toml:1: there is no option 'colour'; see wengert train --help"),
        ("config = 'o.toml'", "o.toml:1: there is no option 'config'; see wengert train --help"),
        ("epochs = 0", "o.toml:1: epochs 0: Input should be greater than or equal to 1"),
        ("# much\n\n'epochs' = 'many'", "o.toml:3: epochs 'many': Input should be a valid integer"),
        ("seed = 1\nbatch-size = 2.5", "o.toml:2: batch_size 2.5: Input should be a valid integer"),
        ("seed = 1\nclass-weights = 5", "o.toml:2: class_weights '5': write balanced, or the weight"),
        ("seed = 1\noptimiser = {b1 = 0.8}", "o.toml:2: optimiser 'b1=0.8': is no name with options"),
        ("[epochs]\nfirst = 3", "o.toml:1: epochs {'first': 3}: Input should be a valid integer"),
        ("epochs = ", "o.toml: is not TOML (Invalid value"),
        ("[training]\nepochs = 3", "o.toml:1: there is no option 'training'"),
        (
            "hidden = ['x']",
            "o.toml:1: hidden 'x': no sizes of layers; write for instance 64,32, or 0 for none",
        ),
    ],
)
def test_what_is_refused(refuses, tmp_path, content, message):
    (tmp_path / "o.toml").write_text(content)
    assert refuses("train", "iris", "--config", "o.toml").startswith(message)


def test_what_the_command_line_says_is_no_matter_of_the_file(refuses, tmp_path):
    (tmp_path / "o.toml").write_text("epochs = 3\nhidden = 8")
    message = refuses("train", "iris", "--config", "o.toml", "--epochs", "many")
    assert message.startswith("Invalid value for '--epochs'")
    assert refuses("train", "iris", "--config", "o.toml", "--hidden", "x").startswith(
        "--hidden 'x': no sizes"
    )
