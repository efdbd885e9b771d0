# SPDX-License-Identifier: Apache-2.0
"""Pictures hold the data they were given, can be drawn again in place, and say what they show."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from fastsnn import analysis
from fastsnn.analysis import mosaics, style


def texts(view):
    """All words in a picture."""
    view.figure.canvas.draw()
    return " ".join(
        t.get_text() for t in view.figure.findobj(lambda a: hasattr(a, "get_text")) if t.get_text()
    )


def test_raster_has_one_dot_a_spike_at_its_time_and_neuron():
    spikes = torch.zeros(30, 1, 7)
    spikes[3, 0, 2] = spikes[29, 0, 6] = 1
    view = analysis.plot_spikes({"Y": spikes}, dt=0.5)
    assert view.artists[0].get_offsets().tolist() == [[1.5, 2.0], [14.5, 6.0]]
    assert view.axes[0].get_xlim() == (0.0, 15.0)
    assert "time, ms" in texts(view)
    assert "Y: 2 spikes of 7 neurons" in texts(view)


def test_raster_of_a_part_keeps_the_numbers_of_steps_and_neurons():
    spikes = torch.zeros(30, 9)
    spikes[12, 5] = spikes[2, 5] = spikes[12, 1] = 1
    view = analysis.plot_spikes({"Y": spikes}, time=(10, 20), neurons={"Y": (4, 9)})
    assert view.artists[0].get_offsets().tolist() == [[12.0, 5.0]]
    assert "time, step" in texts(view)
    with pytest.raises(ValueError, match=r"Y: steps 40 to 50 of 30 .* are none"):
        analysis.plot_spikes({"Y": spikes}, time=(40, 50))


@pytest.mark.parametrize(
    "plot",
    [
        lambda k, view: analysis.plot_spikes({"X": torch.rand(9, k) > 0.5}, view=view),
        lambda k, view: analysis.plot_voltages({"X": torch.rand(9, k)}, view=view),
        lambda k, view: analysis.plot_voltages({"X": torch.rand(9, k)}, lines=True, view=view),
        lambda k, view: analysis.plot_weights(torch.rand(k, k), view=view),
        lambda k, view: analysis.plot_input(torch.rand(k, k), torch.rand(k, k), view=view),
        lambda k, view: analysis.plot_assignments(torch.zeros(k, k), view=view),
        lambda k, view: analysis.plot_performance({"all": list(range(k))}, view=view),
        lambda k, view: analysis.plot_reward(list(range(k)), 3, view=view),
    ],
)
def test_pictures_are_drawn_again_in_place_also_when_sizes_change(plot):
    view = plot(6, None)
    n_axes = len(view.figure.axes)
    for size in (6, 9, 4):
        again = plot(size, view)
        assert again.figure is view.figure
        assert len(again.figure.axes) == n_axes
    again.figure.canvas.draw()


def test_new_data_take_the_place_of_old_ones():
    view = analysis.plot_weights(torch.zeros(3, 3), w_min=0.0, w_max=1.0)
    image = view.artists[0]
    analysis.plot_weights(torch.ones(3, 3), w_min=0.0, w_max=1.0, view=view)
    assert view.artists[0] is image
    assert (image.get_array() == 1).all()
    lines = analysis.plot_voltages({"Y": torch.zeros(5, 2)}, lines=True)
    analysis.plot_voltages({"Y": torch.ones(5, 2)}, lines=True, view=lines)
    assert [line.get_ydata().tolist() for line in lines.axes[0].lines] == [[1.0] * 5] * 2


def test_voltages_as_lines_show_thresholds_and_name_neurons():
    v = torch.rand(20, 3)
    view = analysis.plot_voltages({"Y": v}, lines=True, thresholds={"Y": 1.5}, dt=1.0)
    legend = [text.get_text() for text in view.axes[0].get_legend().get_texts()]
    assert legend == ["neuron 0", "neuron 1", "neuron 2", "threshold"]
    assert view.axes[0].get_ylim()[1] > 1.5
    assert "potential, mV" in texts(view)


def test_many_lines_show_the_mean_and_those_that_move_most():
    v = torch.zeros(20, 40)
    v[:, 17] = torch.arange(20.0)
    v[:, 5] = -torch.arange(20.0) / 2
    axes = analysis.plot_voltages({"Y": v}, lines=True).axes[0]
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend == ["mean of all", "neuron 5", "neuron 17"]
    assert np.allclose(axes.lines[0].get_ydata(), v.mean(1))


def test_weights_of_both_signs_get_two_colours_and_zero_their_middle():
    assert analysis.plot_weights(torch.tensor([[-1.0, 3.0]])).artists[0].get_cmap().name == "RdBu_r"
    assert analysis.plot_weights(torch.rand(2, 2)).artists[0].get_cmap().name == "magma"
    constant = analysis.plot_weights(torch.ones(2, 2)).artists[0]
    assert constant.get_clim()[0] < constant.get_clim()[1]
    with pytest.raises(ValueError, match=r"weights are \(2, 2, 2\), expected 2 dimensions"):
        analysis.plot_weights(torch.ones(2, 2, 2))


def test_assignments_are_written_into_the_cells_and_none_is_grey():
    view = analysis.plot_assignments(torch.tensor([[3, -1], [0, 9]]))
    assert [t.get_text() for t in view.axes[0].texts] == ["3", "0", "9"]
    assert "3 of 4 have one" in texts(view)
    grey = view.artists[0].to_rgba(-1)[:3]
    assert grey == pytest.approx(to_rgb(style.NOTHING))


def test_colours_of_lines_differ_in_lightness_or_dash():
    assert len(set(style.CYCLE)) == len(style.CYCLE)
    view = analysis.plot_performance({"a": [1, 2], "b": [2, 3]}, every=250)
    first, second = view.axes[0].lines
    assert first.get_linestyle() != second.get_linestyle()
    assert first.get_xdata().tolist() == [250, 500]
    assert "accuracy, %" in texts(view)


def test_reward_is_smoothed_over_the_window_that_there_is():
    axes = analysis.plot_reward([1.0, 3.0, 5.0], window=2).axes[0]
    assert axes.lines[1].get_ydata().tolist() == [1.0, 2.0, 4.0]


def test_mosaics_put_every_weight_where_it_belongs():
    w = torch.arange(24.0).view(6, 4)
    assert torch.equal(mosaics.receptive_fields(w, (2, 3), 2)[:2, 3:], w[:, 1].view(2, 3))
    kernels = torch.arange(2 * 5 * 2 * 3.0).view(2, 5, 2, 3)
    laid = mosaics.kernels(kernels)
    # inputs in a 3 x 3 square, in each of them the outputs in a 2 x 2 one
    assert laid.shape == (3 * 4, 3 * 6)
    assert torch.equal(laid[4:6, 6 + 3 : 12], kernels[1, 4])
    assert laid.isnan().sum() == laid.numel() - kernels.numel()
    local = torch.arange(3 * 2 * 4 * 2 * 2.0).view(3, 2, 4, 2, 2)
    assert torch.equal(mosaics.local_kernels(local)[6:8, 8:10], local[2, 1, 2])


def test_dense_weights_of_local_connections_are_picked_out():
    locations = torch.tensor([[0, 2], [1, 3]])
    w = torch.arange(4 * 6.0).view(4, 6)
    picked = mosaics.dense_to_local(w, locations, 3, (1, 2), (2, 1))
    assert picked.shape == (3, 1, 2, 2, 1)
    # filter 2, place 1: column 5, inputs 2 and 3
    assert picked[2, 0, 1].flatten().tolist() == [17.0, 23.0]


def test_movie_shows_each_kth_frame(tmp_path):
    movie = analysis.weights_movie(torch.rand(7, 4, 4), every=3)
    assert list(movie.new_frame_seq()) == [0, 3, 6]
    movie.save(tmp_path / "movie.gif", writer="pillow")
    assert (tmp_path / "movie.gif").stat().st_size > 1000


def test_plots_draw_into_a_figure_given():
    figure = Figure()
    assert analysis.plot_spikes({"Y": torch.ones(3, 3)}, figure=figure).figure is figure


def test_report_is_one_page_with_all_its_pictures_and_shows_text_as_text(tmp_path):
    report = analysis.Report("A <b>", "sub & title").numbers({"accuracy": "95 %"})
    report.picture("weights", analysis.plot_weights(torch.rand(4, 4)), "What was learnt")
    report.table("Settings", {"n": 100}).text("Network", "X -> Y")
    page = report.write(tmp_path / "report").read_text()
    assert "A &lt;b&gt;" in page
    assert "sub &amp; title" in page
    assert page.count("data:image/png;base64,") == 1
    assert "http" not in page.replace("https://", "")
    for word in ("95 %", "What was learnt", "Settings", "X -&gt; Y"):
        assert word in page
    assert (tmp_path / "report" / "weights.png").read_bytes().startswith(b"\x89PNG")
    for name in ("weights", "../weights"):
        with pytest.raises(ValueError, match="file name that is not taken"):
            report.picture(name, Figure())


def test_plots_need_neither_pyplot_nor_a_display():
    code = (
        "import sys, torch; from fastsnn import analysis\n"
        "analysis.plot_spikes({'Y': torch.ones(3, 3)}).show()\n"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"
