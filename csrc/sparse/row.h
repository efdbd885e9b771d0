// SPDX-License-Identifier: Apache-2.0
// The rows of one source: its synapses in all projections, by tile and delay.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "columns.h"
#include "layout.h"
#include "numbers.h"
#include "partners.h"
#include "space.h"

namespace fastsnn::sparse {

// which projections of a plan
enum class Kept { stored, redrawn };

// what all sources are drawn from; read by many threads at a time
class Sources {
public:
  // pool: for what has to be drawn or sorted beforehand
  Sources(const Plan &, const Layout &, Pool &, Kept);

  struct Part {
    const SparsePlan *spec;
    std::vector<std::uint32_t> group; // of 16 targets: tile << 16 | place of the first
    std::unique_ptr<Numbers> numbers; // drawn by source
    std::unique_ptr<Columns> columns; // drawn by target
    std::unique_ptr<Space> space;     // drawn by distance
    // synapses of all sources, no less than there are
    std::int64_t most() const;
    // those onto a range of targets, no less than there are but for a chance of less than 1e-20
    double most(Range targets) const;
  };

  // neurons of the part's source that lie in a range of sources
  Range within(const Part &, Range) const;

  const Plan &plan;
  const Layout &layout;
  std::int32_t span = 1; // largest delay
  std::vector<Part> parts;
  std::vector<std::vector<const Part *>> of_population; // in the order of declaration
};

// Draws rows, one source at a time.
class RowDrawer {
public:
  explicit RowDrawer(const Sources &);
  // the rows of a source, tile after tile; valid until the next call
  std::span<const std::uint32_t> draw(int population, std::int64_t neuron);
  // words of each tile's row
  const std::vector<std::uint32_t> &sizes() const { return sizes_; }

private:
  std::int64_t draw_part(const Sources::Part &, std::uint32_t neuron, std::int64_t at);
  // number of synapses and where they end; may name counters, weights and delays
  std::int64_t find_ends(const Sources::Part &, std::uint32_t neuron, SynapseDraw &);
  std::int64_t find_listed(const SparsePlan &, std::uint32_t neuron, SynapseDraw &);
  std::int64_t find_near(const Sources::Part &, std::uint32_t neuron, SynapseDraw &);
  std::int64_t find_columns(const Columns &, std::uint32_t neuron, SynapseDraw &);
  void sort(std::int64_t n);
  void sort_few(std::int64_t n);
  // head of a row; returns where its synapses begin
  std::size_t head(std::size_t at, std::uint32_t first_delay, std::size_t n_delays);
  void set_number(std::size_t head, std::size_t delay, std::uint32_t number);

  const Sources &sources_;
  Partners partners_;
  std::vector<std::uint32_t> k_, target_;       // ends that are not drawn in one go with the rest
  std::vector<std::uint32_t> synapse_, bucket_; // in the order drawn
  std::vector<float> more_;                     // delay by distance
  std::vector<std::uint32_t> count_;            // [n_tiles * span], then where each goes on
  std::vector<std::uint64_t> order_;
  std::vector<std::uint32_t> words_, sizes_;
};

} // namespace fastsnn::sparse
