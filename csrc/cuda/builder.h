// SPDX-License-Identifier: Apache-2.0
// From a network as numbers and pointers to the bytes that kernels read.
#pragma once

#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "../plan.h"
#include "network.h"

namespace fastsnn::cuda {

// the synapses of sparse projections, in device memory
struct SparseRows {
  std::vector<Tile> tiles;
  std::vector<const std::int32_t *> places; // of each port
  std::int64_t n_places = 0;
};

// listed synapses by postsynaptic neuron, in device memory, see cuda::Synapses
struct Columns {
  const std::int32_t *ptr = nullptr;
  const std::uint32_t *pre = nullptr;
  const std::int32_t *at = nullptr;
  std::int32_t shift = 0;
};

struct NetworkPlan : fastsnn::Plan {
  SparseRows rows;
  std::vector<Columns> columns; // of each projection
  // the simplest kernel of a grid that can run it
  Policy grid() const;
};

using NetworkArgs = fastsnn::RunArgs;

// how a network is spread over blocks
struct Spread {
  Policy policy = Policy::grid;
  int team = 1;              // blocks of a network
  bool whole_inputs = false; // every block has all of the inputs
  int threads = 256;         // of a block
  bool shares = false;       // a multiprocessor, with another block
};

// zeroed memory of the device that lives as long as what was built
using Reserve = std::function<void *(std::size_t)>;

// Memory of a block, handed out once: shared as long as there is some, then scratch.
class Rooms {
public:
  explicit Rooms(std::int64_t most_shared) : most_(most_shared) {}
  bool fits(std::int64_t bytes) const { return shared_ + rounded(bytes) <= most_; }
  Room take(std::int64_t bytes);
  std::int64_t shared() const { return shared_; }
  std::int64_t scratch() const { return scratch_; }

private:
  static std::int64_t rounded(std::int64_t bytes) { return (bytes + 15) / 16 * 16; }
  std::int64_t most_, shared_ = 0, scratch_ = 0;
};

struct Built {
  Plan plan{};
  std::vector<Population> populations;
  std::vector<Projection> projections;
  std::vector<Field> fields;
  std::vector<Port> ports;
  std::vector<PortDrive> drives;
  std::vector<Tile> tiles;
  std::vector<Synapses> indexed;
  Layout layout{};
  std::int64_t scratch = 0, mask_words = 0;
  bool all_in_shared = true, masks_in_shared = true, has_exits = false;

  std::vector<unsigned char> bytes() const; // what a block copies
  int field_at(const void *tensor) const;   // none: there is none
  int listed_with(int field) const;         // projection whose listed synapses have it, or none
};

// all but its fields and the memory that a spread asks for
Synapses synapses_of(const ProjectionPlan &, const Columns &);

// limit_state and its kin hold what the built-in models need; kernels check it when they are
// compiled
template <class Given> void limit(const Given &given, int most, const std::string &owner) {
  if (given.size() > static_cast<std::size_t>(most))
    throw std::invalid_argument(owner + ": more variables than the cuda backend has room for");
}

inline std::int64_t words_of(std::int64_t n) { return (n + 31) / 32; }

// The parts that stay the same from run to run.  shared_bytes: bytes of a block.
Built build(const NetworkPlan &, const Spread &, std::int64_t shared_bytes, const Reserve &);

// The parts of a run.  zero, one: numbers of the device.
void set_run(Built &, const NetworkPlan &, const NetworkArgs &, const float *zero,
             const float *one);

// Records of a run, in terms of fields.
std::vector<Record> records_of(const Built &, const NetworkArgs &);

} // namespace fastsnn::cuda
