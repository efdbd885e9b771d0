# SPDX-License-Identifier: Apache-2.0
"""BindsNET's plots return what they take, analyzers and pipelines run, signatures are its own."""

from __future__ import annotations

import inspect
import types

import numpy as np
import pytest
import torch

plt = pytest.importorskip("matplotlib.pyplot")

from fastsnn import analysis  # noqa: E402
from fastsnn.bindsnet import datasets  # noqa: E402
from fastsnn.bindsnet.analysis import (  # noqa: E402
    dotTrace_plotter,
    pipeline_analysis,
    plotting,
    visualization,
)
from fastsnn.bindsnet.encoding import bernoulli  # noqa: E402
from fastsnn.bindsnet.environment import GymEnvironment  # noqa: E402
from fastsnn.bindsnet.environment.cue_reward import CueRewardSimulator  # noqa: E402
from fastsnn.bindsnet.environment.dot_simulator import DotSimulator  # noqa: E402
from fastsnn.bindsnet.network import Network  # noqa: E402
from fastsnn.bindsnet.network.nodes import Input, LIFNodes  # noqa: E402
from fastsnn.bindsnet.network.topology import Connection  # noqa: E402
from fastsnn.bindsnet.pipeline import (  # noqa: E402
    BasePipeline,
    EnvironmentPipeline,
    TorchVisionDatasetPipeline,
    action,
)
from fastsnn.bindsnet.pipeline.base_pipeline import recursive_to  # noqa: E402
from fastsnn.environments import Discrete  # noqa: E402


@pytest.fixture(autouse=True)
def closed():
    """Close all windows, and leave interactive mode."""
    yield
    plt.close("all")
    plt.ioff()


def names(function):
    return " ".join(inspect.signature(function).parameters)


@pytest.mark.parametrize(
    ("plot", "parameters"),
    [
        ("plot_input", "image inpt label axes ims figsize"),
        ("plot_spikes", "spikes time n_neurons ims axes figsize"),
        ("plot_weights", "weights wmin wmax im figsize cmap save title"),
        ("plot_conv2d_weights", "weights wmin wmax im figsize cmap title"),
        ("plot_assignments", "assignments im figsize classes save"),
        ("plot_performance", "performances ax figsize x_scale save"),
        (
            "plot_voltages",
            "voltages ims axes time n_neurons cmap plot_type thresholds figsize",
        ),
        (
            "plot_local_connection_2d_weights",
            "lc input_channel output_channel im lines figsize cmap color title",
        ),
    ],
)
def test_signatures_of_plots_are_bindsnets(plot, parameters):
    assert names(getattr(plotting, plot)) == parameters


def test_plots_take_back_what_they_returned_and_open_no_new_window():
    spikes = {"X": torch.rand(50, 1, 1, 8, 8) > 0.5, "Y": torch.rand(50, 1, 10) > 0.9}
    voltages = {"Y": torch.rand(50, 1, 10)}
    ims, axes = plotting.plot_spikes(spikes)
    v_ims, v_axes = plotting.plot_voltages(voltages, plot_type="line")
    c_ims, c_axes = plotting.plot_voltages(voltages)
    i_axes, i_ims = plotting.plot_input(torch.rand(8, 8), torch.rand(8, 8), torch.tensor([3]))
    w_im = plotting.plot_weights(torch.rand(9, 9))
    a_im = plotting.plot_assignments(torch.zeros(3, 3))
    ax = plotting.plot_performance({"all": [1.0]})
    opened = plt.get_fignums()
    assert len(opened) == 7
    for _ in range(2):
        ims, axes = plotting.plot_spikes(spikes, ims=ims, axes=axes)
        v_ims, v_axes = plotting.plot_voltages(voltages, v_ims, v_axes, plot_type="line")
        c_ims, c_axes = plotting.plot_voltages(voltages, c_ims, c_axes)
        i_axes, i_ims = plotting.plot_input(
            torch.rand(8, 8), torch.rand(8, 8), 5, axes=i_axes, ims=i_ims
        )
        w_im = plotting.plot_weights(torch.ones(9, 9), im=w_im)
        a_im = plotting.plot_assignments(torch.ones(3, 3), im=a_im)
        ax = plotting.plot_performance({"all": [1.0, 2.0]}, ax=ax, x_scale=10)
    assert plt.get_fignums() == opened
    assert (w_im.get_array() == 1).all()
    assert ax.lines[0].get_xdata().tolist() == [10, 20]
    assert "class 5" in i_axes[0].get_title(loc="left")
    with pytest.raises(ValueError, match="plot_type is 'x', expected"):
        plotting.plot_voltages(voltages, plot_type="x")


def test_saved_plots_get_numbers_one_after_another(tmp_path):
    im, name = None, str(tmp_path / "plots" / "w.png")
    for _ in range(3):
        im, name = plotting.plot_weights(torch.rand(4, 4), im=im, save=name)
    assert {path.name for path in (tmp_path / "plots").iterdir()} == {
        "w.png",
        "w.1.png",
        "w.2.png",
    }
    drawn = plotting.plot_assignments(torch.zeros(2, 2), save=str(tmp_path / "a.png"))
    # some scripts give back the pair as it came
    drawn = plotting.plot_assignments(torch.zeros(2, 2), im=drawn, save=str(tmp_path / "a.png"))
    plotting.plot_performance({"all": [1]}, save=str(tmp_path / "p.png"))
    assert (tmp_path / "a.png").is_file()
    assert (tmp_path / "p.png").is_file()


def test_kernels_are_drawn_where_they_look():
    conv = torch.rand(5, 2, 3, 3)
    assert plotting.plot_conv2d_weights(conv).get_array().shape == (2 * 9, 2 * 9)
    lc = types.SimpleNamespace(
        w=torch.rand(1, 3 * 2 * 2, 4), n_filters=3, conv_size=(2, 2), kernel_size=(2, 2),
        source=types.SimpleNamespace(shape=[1, 4, 4]), wmin=float("-inf"), wmax=float("inf"),
    )  # fmt: skip
    assert plotting.plot_local_connection_2d_weights(lc).get_array().shape == (8, 8)
    one = plotting.plot_local_connection_2d_weights(lc, output_channel=1).get_array()
    assert np.allclose(one[:2, :2], lc.w[0, 4].view(2, 2))
    locations = torch.tensor([[0, 1], [2, 3]])
    im = plotting.plot_locally_connected_weights(
        torch.rand(4, 4), 2, (2, 1), (1, 2), locations, (2, 2)
    )
    assert im.get_array().shape == (4, 4)


def test_pictures_after_a_run_and_the_summary():
    spikes = torch.rand(2, 5, 30) > 0.5
    figure = visualization.plot_spike_trains_for_example(spikes, 1, top_k=3)
    assert len(figure.axes[0].get_yticks()) == 3
    labels = visualization.plot_spike_trains_for_example(spikes, indices=[4, 2]).axes[0]
    assert [tick.get_text() for tick in labels.get_yticklabels()] == ["4", "2"]
    axes = visualization.plot_voltage(torch.rand(2, 5, 30), 0, 1, (10, 20), 0.5).axes[0]
    assert axes.lines[0].get_xdata().tolist() == list(range(10, 20))
    movie = visualization.plot_weights_movie(np.random.rand(2, 4, 3, 5), sample_every=2)
    assert list(movie.new_frame_seq()) == [0, 2, 4, 6, 8]
    movie._draw_was_started = True
    text = visualization.summary(network())
    for word in ("layer X: 4 Input", "to R: Connection, 12 weights", "neurons: 7"):
        assert word in text


def test_analyzers_take_what_pipelines_show(tmp_path):
    windows = pipeline_analysis.MatplotlibAnalyzer(volts_type="line")
    assert plt.isinteractive()
    logs = pipeline_analysis.TensorboardAnalyzer(str(tmp_path / "logs"))
    logs.writer.add_scalar("one", 100.0, 0)
    for analyzer in (windows, logs):
        analyzer.plot_obs(torch.rand(1, 28, 28))
        analyzer.plot_conv2d_weights(torch.rand(4, 1, 8, 8))
        analyzer.plot_reward([0, 0, 0, 0, 0])
        analyzer.plot_voltages({"X": torch.rand(50, 1, 1, 8, 8)}, {"X": torch.tensor(0.75)})
        analyzer.plot_spikes({"X": torch.rand(50, 1, 1, 8, 8) > 0.5})
        analyzer.finalize_step()
    logs.writer.close()
    assert set(analysis.read_scalars(tmp_path / "logs")) == {"one", "reward"}
    assert issubclass(pipeline_analysis.TensorboardAnalyzer, pipeline_analysis.PipelineAnalyzer)


def network():
    net = Network()
    net.add_layer(Input(4, shape=[1, 1, 1, 2, 2]), "X")
    net.add_layer(LIFNodes(3), "R")
    w = 5 * torch.ones(4, 3)
    net.add_connection(Connection(net.layers["X"], net.layers["R"], w=w), "X", "R")
    return net


class Ramp:
    """Observations 1, 2, 3, 4 with rewards 10, 20, 30, 40."""

    action_space = Discrete(3)

    def __init__(self):
        self.log = []

    def reset(self):
        self.t = 0
        self.log.append("reset")
        return torch.zeros(2, 2)

    def step(self, a):
        self.t += 1
        self.log.append(a)
        return torch.full((1, 1, 2, 2), float(self.t)), 10.0 * self.t, self.t >= 4, {}

    def render(self):
        self.log.append("render")


def test_environment_pipeline_plays_episodes_in_bindsnets_order(capsys):
    seen = []

    def ones(obs, time, device):
        seen.append((tuple(obs.shape), obs.max().item(), time))
        return torch.ones(time, *obs.shape)

    environment = Ramp()
    pipeline = EnvironmentPipeline(
        network(), environment, action.select_highest, ones, output="R", time=5,
        num_episodes=2, render_interval=2, encode_factor=2.0, print_interval=4, allow_gpu=False,
    )  # fmt: skip
    pipeline.train()
    assert pipeline.reward_list == [100.0, 100.0]
    episode = ["reset", "render", 0, 0, "render", 0, 0]
    assert environment.log == episode * 2
    assert seen[:2] == [((1, 1, 1, 2, 2), 2.0, 5), ((1, 1, 1, 2, 2), 4.0, 5)]
    assert pipeline.spike_record["R"].shape == (5, 1, 3)
    assert pipeline.get_spike_data()["X"].shape[0] == 20
    assert set(pipeline.get_voltage_data()[0]) == {"R"}
    said = capsys.readouterr().out
    assert "Episode: 1 - accumulated reward: 100.00" in said
    assert said.count("Iteration: 4") == 2


def test_delayed_reward_reaches_the_network():
    got = []
    net = network()
    run = net.run
    net.run = lambda **options: (got.append(options.pop("reward")), run(**options))
    pipeline = EnvironmentPipeline(
        net, Ramp(), encoding=lambda obs, time, device: torch.ones(time, *obs.shape),
        time=5, reward_delay=2, action_function=action.select_random, allow_gpu=False,
    )  # fmt: skip
    pipeline.reset_state_variables()
    for _ in range(4):
        pipeline.step(pipeline.env_step())
    assert got == [0.0, 0.0, 10.0, 20.0]


def test_actions_read_the_layer_that_acts():
    spikes = torch.zeros(6, 1, 3)
    spikes[2, 0, 1] = spikes[3, 0, 1] = spikes[1, 0, 2] = spikes[5, 0, 0] = 1
    layer = types.SimpleNamespace(n=3, s=spikes[-1])
    pipeline = types.SimpleNamespace(
        spike_record={"R": spikes}, env=Ramp(), network=types.SimpleNamespace(layers={"R": layer})
    )
    assert action.select_highest(pipeline, output="R") == 1
    assert action.select_first_spike(pipeline, output="R") == 2
    assert action.select_multinomial(pipeline, output="R") == 0
    assert action.select_softmax(pipeline, output="R") in (0, 1, 2)
    assert action.select_random(pipeline) in (0, 1, 2)
    with pytest.raises(KeyError, match="select_softmax needs output"):
        action.select_softmax(pipeline)


def test_pipeline_plots_while_it_plays():
    pipeline = EnvironmentPipeline(
        network(), Ramp(), action.select_softmax, bernoulli, output="R", time=5,
        num_episodes=1, plot_interval=2, encode_factor=0.25, allow_gpu=False,
    )  # fmt: skip
    pipeline.train()
    assert set(pipeline.analyzer.plots) == {"obs", "spike", "voltage", "reward"}


def test_pole_is_balanced_by_a_pipeline():
    pytest.importorskip("gymnasium")
    net = Network()
    net.add_layer(Input(4), "X")
    net.add_layer(LIFNodes(2, refrac=0), "R")
    net.add_connection(Connection(net.layers["X"], net.layers["R"], wmin=0, wmax=8), "X", "R")
    pole = GymEnvironment("CartPole-v1", seed=1, history_length=None)
    pipeline = EnvironmentPipeline(
        net, pole, action.select_softmax,
        lambda obs, time, device: bernoulli(obs.abs().clamp(max=1), time, device=device),
        output="R", time=10, num_episodes=2, allow_gpu=False,
    )  # fmt: skip
    pipeline.train()
    assert len(pipeline.reward_list) == 2
    assert min(pipeline.reward_list) >= 8
    pole.close()


def test_data_set_pipeline_shows_every_sample(tmp_path):
    pairs = [(torch.rand(1, 2, 2), k % 2) for k in range(6)]
    wrapper = datasets.create_torchvision_dataset_wrapper(lambda: pairs)
    train = wrapper(lambda image: bernoulli(image, time=8))
    net = Network()
    net.add_layer(Input(shape=(1, 2, 2)), "X")
    net.add_layer(LIFNodes(3), "Y")
    net.add_connection(Connection(net.layers["X"], net.layers["Y"]), "X", "Y")
    logs = pipeline_analysis.TensorboardAnalyzer(str(tmp_path))
    pipeline = TorchVisionDatasetPipeline(
        net, train, logs, num_epochs=2, batch_size=2, plot_interval=3, save_interval=6,
        save_dir=str(tmp_path / "network.pt"), allow_gpu=False,
    )  # fmt: skip
    pipeline.train()
    assert pipeline.step_count == 6
    assert pipeline.get_spike_data()["X"].shape == (8, 2, 1, 2, 2)
    assert (tmp_path / "network.pt").is_file()
    logs.writer.close()
    assert next(tmp_path.glob("events*")).read_bytes().count(b"\x89PNG") == 6
    with pytest.raises(ValueError, match="no test_ds"):
        pipeline.test()


def test_base_pipeline_asks_for_its_methods_and_moves_containers():
    pipeline = BasePipeline(network(), allow_gpu=False, plot_config={"data_step": None})
    assert not pipeline.network.monitors
    for call in (lambda: pipeline.step(1), pipeline.train, pipeline.test):
        with pytest.raises(NotImplementedError, match="a pipeline needs a method"):
            call()
    moved = recursive_to({"a": [torch.ones(2), (torch.ones(1), "b")]}, "meta")
    assert moved["a"][0].device.type == moved["a"][1][0].device.type == "meta"
    assert moved["a"][1][1] == "b"


def test_dots_and_cues_have_bindsnets_names(tmp_path, capsys):
    dots = DotSimulator(
        4, decay=4, write=True, mute=True, seed=1, fpath=str(tmp_path) + "/", unknown=1
    )
    dots.addFileSuffix("train")
    dots.changeFileSuffix("train", "test")
    done = False
    while not done:
        obs, reward, done, _ = dots.step(dots.action_space.sample())
        dots.render()
        assert torch.equal(dots.compute_reward()[0], reward)
    assert obs.shape == (28, 28)
    assert len(dots.netDot.row) == 4
    written = np.loadtxt(tmp_path / "grids_s1_test_0.csv", delimiter=",").reshape(-1, 28, 28)
    assert len(written) == 4
    assert np.allclose(written[-1], obs)
    dots.cycleOutFiles()
    assert dots.filename.endswith("grids_s1_test_1.csv")
    dotTrace_plotter.plotGrids(written)
    dotTrace_plotter.plotRewards([1, 2, 3], "rew.csv")
    dotTrace_plotter.plotPerformance([1, 2, 3], "perf.csv")
    cues = CueRewardSimulator(epdur=5, cuebits=4, seed=1)
    assert cues.make("any") is cues
    obs, reward, done, _ = cues.step(1)
    assert (obs.shape, reward.shape, done) == ((8,), (1,), False)
    cues.render()
    assert len(capsys.readouterr().out.split()) == 8
