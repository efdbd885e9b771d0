// SPDX-License-Identifier: Apache-2.0
// A sparse projection as numbers and tables: what fastsnn/sparse makes of a wiring, and all that
// the synapses are drawn from.
//
// Random words are those of Philox with the counter (k, row, stream).  Synapse k of a row (of a
// column, where synapses are drawn by target) has the words of counter k: 1 gives its weight, 2 its
// delay, 3 whether it is rewired.  Word 0 of counter k is attempt k at a partner.  Numbers of
// synapses come from stream + 1.
#pragma once

#include <string>

#include "../kernels.h"
#include "draw.h"

namespace fastsnn::sparse {

// rows and columns: partners at random, drawn by source or by target; list: given ones; distance:
// pair (i, j) is joined by word 0 of counter j of row i
enum class Wiring { rows, columns, list, pairs, small_world, distance };

// How many synapses a row or column has.  fixed: n.  binomial: n, plus one for every threshold that
// the row's word reaches.  thrown: how often the row was drawn when n synapses drew their source.
enum class Number { fixed, binomial, thrown };

struct SparsePlan {
  std::string name;
  int source = 0, port = 0; // a population, and a port of the layout
  std::int64_t n_pre = 0, n_post = 0;
  Wiring wiring = Wiring::rows;
  std::uint32_t stream = 0;
  bool stored = true; // false: rows are drawn again at each spike
  float scale = 1.0f; // 1 / grain of the port
  std::int64_t largest_delay = 1;
  // quantile tables (quantile.h), or one number; not read where a list gives weights or delays
  Table weight, delay;

  Number number = Number::fixed;
  std::int64_t n = 0;
  const std::int64_t *thresholds = nullptr;
  std::int64_t n_thresholds = 0;
  bool multapses = true;
  bool same = false; // no neuron is joined to the one of its own number

  // list: by source, row_ptr [n_pre + 1]
  const std::int64_t *row_ptr = nullptr;
  const std::int32_t *post = nullptr;
  const float *w = nullptr;
  const std::int32_t *steps = nullptr;

  // small_world: where word 3 lies below
  std::int64_t rewire = 0;

  // distance: positions [dimensions, n], period [dimensions], chance as of NearDraw
  const float *x_pre = nullptr, *x_post = nullptr, *period = nullptr, *chance = nullptr;
  float cutoff = 0.0f, steps_per_length = 0.0f;

  // number of partners that the end that draws can have
  std::int64_t partners() const {
    return (wiring == Wiring::columns ? n_pre : n_post) - (same ? 1 : 0);
  }
};

} // namespace fastsnn::sparse
